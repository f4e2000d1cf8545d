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
    "current_period_start",
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
_NOT_HELD: Final = ("events",)
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
    names = _names(rows)
    found: dict[str, dict[str, Any]] = {}
    for key, (table, row) in sorted(rows.items(), key=lambda item: names[item[0]]):
        found.setdefault(table, {})[names[key]] = _normal(row, names)
    return found


def _names(rows: dict[str, tuple[str, Object]]) -> dict[str, str]:
    """A name for each object: what it says of itself, or what it is part of.

    Objects that are alike in all, a charge made twice for instance, are numbered.
    """
    marks = dict.fromkeys(rows, "?")
    for _ in range(_ROUNDS):
        marks = {key: _digest(_normal(row, marks)) for key, (_, row) in rows.items()}
    names: dict[str, str] = {}
    taken: dict[str, int] = {}
    for key, (table, row) in sorted(rows.items(), key=lambda item: marks[item[0]]):
        said = _said(row)
        name = f"{table}:{said}" if said else f"{table}:{marks[key][:8]}"
        taken[name] = taken.get(name, 0) + 1
        names[key] = name if taken[name] == 1 else f"{name}#{taken[name]}"
    return names


def _said(row: Object) -> str:
    if row["object"] == "product" and not row["id"].startswith("prod_"):
        return str(row["id"])
    for name in ("number", "lookup_key"):
        if row.get(name):
            return str(row[name])
    if metadata := row.get("metadata"):
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
