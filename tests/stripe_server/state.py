"""What the server knows: tables of objects, in the order in which they were made."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

Object = dict[str, Any]

# What lists are filtered by, and what must be found without looking through everything.
INDEXED: Final[dict[str, tuple[str, ...]]] = {
    "customers": ("email",),
    "payment_methods": ("customer",),
    "products": (),
    "prices": ("product", "lookup_key"),
    "invoices": ("customer", "subscription"),
    "invoiceitems": ("customer", "invoice"),
    "invoice_payments": ("invoice", "payment"),
    "payment_records": (),
    "payment_intents": ("customer",),
    "charges": ("customer", "payment_intent"),
    "refunds": ("charge", "payment_intent"),
    "credit_notes": ("invoice", "customer"),
    "disputes": ("charge", "payment_intent"),
    "subscriptions": ("customer",),
    "checkout_sessions": ("customer", "subscription"),
    "portal_sessions": (),
    "setup_intents": ("customer",),
    "events": ("type",),
}


def _payment(row: Object) -> Any:
    return row["payment"].get(row["payment"]["type"])


def _subscription(row: Object) -> Any:
    details = (row["parent"] or {}).get("subscription_details") if "parent" in row else None
    return details["subscription"] if details else row.get("subscription")


_VALUES: Final[dict[str, Any]] = {"payment": _payment, "subscription": _subscription}


@dataclass
class Table:
    """The objects of one kind. An index names candidates: what has changed since is sorted out."""

    fields: tuple[str, ...]
    rows: dict[str, Object] = field(default_factory=dict)
    deleted: dict[str, Object] = field(default_factory=dict)
    place: dict[str, int] = field(default_factory=dict)
    at: dict[int, str] = field(default_factory=dict)
    everything: list[int] = field(default_factory=list)
    index: dict[tuple[str, Any], list[int]] = field(default_factory=dict)

    def add(self, row: Object) -> Object:
        place = len(self.place)
        self.rows[row["id"]] = row
        self.place[row["id"]] = place
        self.at[place] = row["id"]
        self.everything.append(place)
        self.reindex(row)
        return row

    def reindex(self, row: Object) -> None:
        """Enter an object under what it says now."""
        place = self.place[row["id"]]
        for name in self.fields:
            value = self.value(row, name)
            if value is not None:
                known = self.index.setdefault((name, value), [])
                at = bisect_left(known, place)
                if at == len(known):
                    known.append(place)
                elif known[at] != place:
                    insort(known, place)

    def remove(self, key: str, stub: Object | None = None) -> None:
        del self.rows[key]
        if stub:
            self.deleted[key] = stub

    @staticmethod
    def value(row: Object, name: str) -> Any:
        getter = _VALUES.get(name)
        return getter(row) if getter else row.get(name)

    def newest_first(
        self, filters: dict[str, Any], *, before: str | None = None, after: str | None = None
    ) -> Iterator[Object]:
        """The objects that say all of `filters`: those made before `before`, or after `after`.

        With `after` they come oldest first: a page that ends before an object is the one next
        to it.
        """
        places = self.everything
        for name in self.fields:
            if filters.get(name) is not None:  # What says nothing is in no index.
                found = self.index.get((name, filters[name]), [])
                places = found if len(found) <= len(places) else places
        if after is not None:
            start = bisect_left(places, self.place[after] + 1)
            chosen: Any = range(start, len(places))
        else:
            end = len(places) if before is None else bisect_left(places, self.place[before])
            chosen = range(end - 1, -1, -1)
        for at in chosen:
            row = self.rows.get(self.at[places[at]])
            if row is not None and all(
                self.value(row, name) == value for name, value in filters.items()
            ):
                yield row

    def where(self, **filters: Any) -> list[Object]:
        """The objects that say all of this, oldest first."""
        return list(self.newest_first(filters))[::-1]


@dataclass
class Stored:
    """What an idempotency key was used for, and what came of it (None while it is under way)."""

    name: tuple[str, str]
    request: tuple[str, str, str]
    at: float
    result: tuple[int, bytes] | None = None


@dataclass
class State:
    """All that a request can change; `pickle` copies it."""

    tables: dict[str, Table] = field(
        default_factory=lambda: {name: Table(fields) for name, fields in INDEXED.items()}
    )
    # The lines of each invoice, and of each checkout session.
    lines: dict[str, list[Object]] = field(default_factory=dict)
    keys: dict[tuple[str, str], Stored] = field(default_factory=dict)
    # What becomes of payments with a payment method: a decline code, or "" for success.
    outcomes: dict[str, str] = field(default_factory=dict)
    # Payment intents that are processing, and what will become of them.
    pending: dict[str, str] = field(default_factory=dict)
    # The taxes that invoice items will say when they are lines.
    item_taxes: dict[str, list[Object]] = field(default_factory=dict)
    # What was paid for each invoice outside of Stripe.
    off_stripe: dict[str, int] = field(default_factory=dict)
    # What was asked for on each page of Checkout.
    checkouts: dict[str, Object] = field(default_factory=dict)
    detached: set[str] = field(default_factory=set)
    made: int = 0

    def __getitem__(self, name: str) -> Table:
        return self.tables[name]
