"""All that an account holds, so that what two runs have left can be compared.

Ids become names that do not depend on the order in which things were made, and moments at which
things were done become only that they were. What a client chooses (due dates, terms, amounts,
numbers, metadata) stays.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tests.stripe_server.engine import Engine
    from tests.stripe_server.state import Object

# When something was done: that it was is kept, the moment is not.
_MOMENTS: Final = {
    "canceled_at",
    "ended_at",
    "finalized_at",
    "marked_uncollectible_at",
    "next_payment_attempt",
    "paid_at",
    "voided_at",
}
# What differs from run to run and says nothing.
_DROPPED: Final = {
    "client_secret",
    "created",
    "date",
    "due_by",
    "effective_at",
    "expires_at",
    "hosted_invoice_url",
    "invoice_pdf",
    "invoice_prefix",
    "next_invoice_sequence",
    "pdf",
    "request",
    "updated",
    "updated_at",
    "url",
    "webhooks_delivered_at",
}
# What an object is named after if it says no name of its own, the nearest first.
_OWNERS: Final = (
    "charge",
    "payment_intent",
    "setup_intent",
    "invoice",
    "subscription",
    "product",
    "customer",
)
# Events are not held but told; a page of the portal leaves nothing behind.
_NOT_HELD: Final = ("events", "portal_sessions")
_ROUNDS: Final = 4


def snapshot(engine: Engine) -> dict[str, dict[str, Any]]:
    """By table and name: each object as it is shown, without what differs from run to run."""
    rows: dict[str, tuple[str, Object]] = {}
    for table, held in engine.state.tables.items():
        if table not in _NOT_HELD:
            for row in held.where():
                shown = engine.render(row)
                if table == "invoices":
                    shown["lines"] = list(engine.state.lines[row["id"]])
                rows[row["id"]] = table, shown
    _hide_prefixes(rows)
    names = _names(rows)
    found: dict[str, dict[str, Any]] = {}
    for key, (table, row) in sorted(rows.items(), key=lambda item: names[item[0]]):
        found.setdefault(table, {})[names[key]] = _normal(row, names)
    return found


def _hide_prefixes(rows: dict[str, tuple[str, Object]]) -> None:
    """Of the numbers that Stripe gives keep what does not come from the customer's own prefix."""
    for _, row in rows.values():
        customer = rows.get(str(row.get("customer")))
        prefix = customer and customer[1]["invoice_prefix"]
        if prefix and (number := row.get("number")):
            row["number"] = number.removeprefix(prefix)


def _names(rows: dict[str, tuple[str, Object]]) -> dict[str, str]:
    """A name for each object: what it says of itself, or what it belongs to.

    Objects of the same name, a charge made twice for instance, are numbered, in an order that
    comes from all that they say and not from when they were made.
    """
    marks = dict.fromkeys(rows, "?")
    for _ in range(_ROUNDS):
        marks = {key: _digest(_normal(row, marks)) for key, (_, row) in rows.items()}
    owners = _owners(rows)
    names: dict[str, str] = {}
    taken: dict[str, int] = {}

    def name_of(key: str) -> str:
        """The name of an object, once those of the objects like it that come first are given."""
        if key not in names:
            table, row = rows[key]
            owner = owners.get(key)
            said = _said(row) or (f"of {name_of(owner)}" if owner else "")
            name = f"{table}:{said}" if said else table
            taken[name] = taken.get(name, 0) + 1
            names[key] = name if taken[name] == 1 else f"{name}#{taken[name]}"
        return names[key]

    for key in sorted(rows, key=marks.__getitem__):
        name_of(key)
    return names


def _owners(rows: dict[str, tuple[str, Object]]) -> dict[str, str]:
    """For each object the one that it is named after: the invoice of a payment, and so on."""
    owners: dict[str, str] = {}
    for key, (_, row) in rows.items():
        for name in _OWNERS:
            owner = row.get(name)
            if isinstance(owner, str) and owner in rows:
                owners[key] = owner
                break
    for key, (table, row) in rows.items():
        if table == "invoice_payments" and (paid := row["payment"][row["payment"]["type"]]) in rows:
            owners[paid] = key
    return owners


def _said(row: Object) -> str:
    if row["object"] == "product" and not row["id"].startswith("prod_"):
        return str(row["id"])
    for name in ("number", "lookup_key"):
        if row.get(name) and not row[name].startswith("-"):
            return str(row[name])
    if (metadata := row.get("metadata")) and row["object"] != "charge":
        return json.dumps(metadata, sort_keys=True)
    return str(row["email"]) if row.get("email") else ""


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _normal(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            name: bool(each) if name in _MOMENTS else _normal(each, names)
            for name, each in value.items()
            if name not in _DROPPED and not _own_id(name, each, names)
        }
    if isinstance(value, list):
        return [_normal(each, names) for each in value]
    if isinstance(value, str):
        return names.get(value, value)
    return value


def _own_id(name: str, value: Any, names: dict[str, str]) -> bool:
    """The id of the object itself, or of a part of it that is in no table."""
    if name != "id" or not isinstance(value, str):
        return False
    return "_" in value or value in names
