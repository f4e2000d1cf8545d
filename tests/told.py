"""Every event that a test tells, in this process, must be as its JSON Schema says."""

from __future__ import annotations

import json
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any
from unittest import mock

from jsonschema import Draft202012Validator

from billing_cli.pricing.notice_schemas import schema_of
from billing_cli.services.outbox import as_told
from billing_cli.store import outbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from billing_cli.store.outbox import Notice
    from billing_cli.store.unit_of_work import Transaction
    from billing_cli.store.users import UserRow


@cache
def validator(kind: str) -> Draft202012Validator:
    """What checks events of a type, and takes no field that the schema does not name."""
    schema = schema_of(kind)
    schema["additionalProperties"] = False
    schema["properties"]["data"]["additionalProperties"] = False
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def require_fit(document: dict[str, Any]) -> None:
    """Check an event as it is told."""
    problems = [
        f"{document['type']}: {'/'.join(map(str, error.path))}: {error.message}"
        for error in validator(document["type"]).iter_errors(document)
    ]
    assert not problems, problems


def payment(number: int, user: UserRow | None, at: int) -> Notice:
    """An event that a payment came in, of a user or of nobody known."""
    key, name = (user.user_key, user.user_id) if user else (None, None)
    nothing = dict.fromkeys(("invoice_id", "invoice_number", "reference", "reason"))
    data = {"payment_id": number, "user_id": name, "amount": "1.00", "currency": "USD", **nothing}
    data |= {"method": "bank", "status": "received"}
    return outbox.Notice("billing.payment.received", f"x/{number}", key, name, at, data)


@contextmanager
def checked() -> Iterator[None]:
    """Check what is told as long as this lasts."""
    rows = outbox._rows  # noqa: SLF001 - the one place that all events pass

    def checking(tx: Transaction, notices: Iterable[Notice], now: int) -> list[tuple[object, ...]]:
        listed = list(notices)
        for notice in listed:
            require_fit(as_told(1, notice.type, notice.occurred_at, json.dumps(notice.data)))
        return rows(tx, listed, now)

    with mock.patch.object(outbox, "_rows", checking):
        yield
