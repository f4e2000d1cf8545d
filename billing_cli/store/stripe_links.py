"""Which object of Stripe's stands for which of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from billing_cli.store.unit_of_work import Transaction

CUSTOMER, PRODUCT, PRICE = "customer", "product", "price"
CREDIT_NOTE, REFUND = "credit_note", "refund"
INVOICE = "invoice"
"""An invoice that Stripe has of ours, by its number, where these books do not have it."""
NOT_OURS = "its customer is none of our users"
"""Why something is ignored, until its customer is known."""


class Link(NamedTuple):
    """A row of ``billing_stripe_links``."""

    kind: str
    local_id: str
    stripe_id: str
    digest: str
    detail: str | None = None


class LinkedUser(NamedTuple):
    """A user as Stripe is to know them, and the customer there, if there is one."""

    user_key: int
    user_id: str
    name: str | None
    email: str | None
    address: str | None
    language: str | None
    customer: str | None
    digest: str | None
    method: str | None


_COLUMNS = ", ".join(Link._fields)
_USERS = (
    "SELECT u.user_key, u.user_id, u.name, u.email, u.address, u.language, "
    "c.stripe_id, c.digest, c.detail FROM billing_users u LEFT JOIN billing_stripe_links c "
    f"ON c.kind = '{CUSTOMER}' AND c.local_id = CAST(u.user_key AS TEXT) "
)


def put(tx: Transaction, links: Iterable[Link]) -> None:
    """Keep links, in the place of those of the same objects of ours."""
    tx.execute_many(
        f"INSERT INTO billing_stripe_links ({_COLUMNS}) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (kind, local_id) DO UPDATE SET stripe_id = excluded.stripe_id, "
        "digest = excluded.digest, detail = excluded.detail",
        list(links),
    )


def set_detail(tx: Transaction, kind: str, stripe_id: str, detail: str | None) -> None:
    """Change what else is known of a linked object."""
    tx.execute(
        "UPDATE billing_stripe_links SET detail = ? WHERE kind = ? AND stripe_id = ?",
        detail,
        kind,
        stripe_id,
    )


def drop(tx: Transaction, kind: str, stripe_id: str) -> None:
    """Forget the link of an object that is gone."""
    tx.execute("DELETE FROM billing_stripe_links WHERE kind = ? AND stripe_id = ?", kind, stripe_id)


def of_kind(tx: Transaction, kind: str) -> dict[str, Link]:
    """Return all links of a kind of which there are few, by our ids."""
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM billing_stripe_links WHERE kind = ? ORDER BY local_id", kind
    )
    return {row[1]: Link(*row) for row in rows}


def any_of_kind(tx: Transaction, kind: str) -> str | None:
    """Return Stripe's id of any object of a kind, None where there is none."""
    value: str | None = tx.value(
        "SELECT stripe_id FROM billing_stripe_links WHERE kind = ? ORDER BY local_id LIMIT 1", kind
    )
    return value


def by_stripe_ids(tx: Transaction, kind: str, ids: Sequence[str]) -> dict[str, Link]:
    """Return the links of objects of Stripe's, by their ids."""
    subquery, parameter = tx.texts(ids)
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM billing_stripe_links WHERE kind = ? AND stripe_id IN {subquery}",
        kind,
        parameter,
    )
    return {row[2]: Link(*row) for row in rows}


def by_local_ids(tx: Transaction, kind: str, ids: Sequence[str]) -> dict[str, Link]:
    """Return the links of objects of ours, by their ids."""
    subquery, parameter = tx.texts(ids)
    rows = tx.rows(
        f"SELECT {_COLUMNS} FROM billing_stripe_links WHERE kind = ? AND local_id IN {subquery}",
        kind,
        parameter,
    )
    return {row[1]: Link(*row) for row in rows}


def user_of(tx: Transaction, customer: str) -> tuple[int, str] | None:
    """Return the key and the id of the user that a customer of Stripe's is."""
    row = tx.row(
        "SELECT u.user_key, u.user_id FROM billing_stripe_links c JOIN billing_users u "
        f"ON u.user_key = {local_number('c', CUSTOMER)} "
        f"WHERE c.kind = '{CUSTOMER}' AND c.stripe_id = ?",
        customer,
    )
    return None if row is None else (row[0], row[1])


def local_number(link: str, kind: str) -> str:
    """Return the SQL for a link's local id as a number, by which an index finds what it is of.

    Only ids of the kind are read as numbers: those of other kinds are texts.
    """
    return f"CASE WHEN {link}.kind = '{kind}' THEN CAST({link}.local_id AS BIGINT) END"


def user(tx: Transaction, user_key: int) -> LinkedUser:
    """Return a user as Stripe is to know them."""
    row = tx.row(f"{_USERS}WHERE u.user_key = ?", user_key)
    if row is None:
        raise LookupError(user_key)
    return LinkedUser(*row)


def users_after(
    tx: Transaction, user_id: str, limit: int, only: Sequence[int] | None = None
) -> list[LinkedUser]:
    """Return the next users in byte order after one: all, or those with some keys."""
    condition, parameters = "", list[object]()
    if only is not None:
        subquery, parameter = tx.numbers(only)
        condition, parameters = f"AND u.user_key IN {subquery} ", [parameter]
    rows = tx.rows(
        f"{_USERS}WHERE u.user_id > ? {condition}ORDER BY u.user_id LIMIT ?",
        user_id,
        *parameters,
        limit,
    )
    return [LinkedUser(*row) for row in rows]


def count_users(tx: Transaction) -> int:
    """Return how many users there are."""
    count: int = tx.value("SELECT COUNT(*) FROM billing_users")
    return count


def customers(tx: Transaction) -> Iterator[tuple[str, str]]:
    """Yield user and customer of all who are linked, in byte order of the users."""
    return (
        (user_id, customer)
        for user_id, customer in tx.stream(
            "SELECT u.user_id, c.stripe_id FROM billing_users u JOIN billing_stripe_links c "
            f"ON c.kind = '{CUSTOMER}' AND c.local_id = CAST(u.user_key AS TEXT) "
            "ORDER BY u.user_id"
        )
    )
