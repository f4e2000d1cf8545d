"""The table of states: what it allows, what it answers to the rest, and its picture."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

from billing_cli.errors import ConflictError
from billing_cli.pricing import invoice_states as states

PAGE = Path(__file__).parents[2] / "docs" / "payments.md"
ACTIONS = sorted({action for _, action in states.TRANSITIONS})


class Invoice(NamedTuple):
    """As much of an invoice as the table needs."""

    status: str
    total: int = 100
    invoice_number: str | None = "INV-2025-000001"
    id: int = 7
    written_off: int = 0


def test_every_state_is_in_the_table() -> None:
    left = {state for state, _ in states.TRANSITIONS}
    reached = {state for ends in states.TRANSITIONS.values() for state in ends}
    assert left | reached == set(states.STATES)
    assert states.VOID not in left


@pytest.mark.parametrize(("state", "action"), list(product(states.STATES, ACTIONS)))
def test_what_the_table_lacks_is_refused_with_what_is_allowed(state: str, action: str) -> None:
    invoice = Invoice(state, total=0 if state == "paid" else 100)
    if (state, action) in states.TRANSITIONS:
        states.check(invoice, action)
        return
    with pytest.raises(ConflictError) as caught:
        states.check(invoice, action)
    assert caught.value.message.startswith(f"invoice INV-2025-000001 is {state}")
    assert caught.value.hint == states.allowed(invoice)


def test_money_that_was_received_keeps_an_invoice_from_being_voided() -> None:
    states.check(Invoice("paid", total=0), states.VOIDING)
    with pytest.raises(ConflictError, match="is paid and cannot be voided"):
        states.check(Invoice("paid", total=1), states.VOIDING)


@pytest.mark.parametrize(
    ("invoice", "text"),
    [
        (Invoice("draft"), "a draft invoice can be edited, finalized or voided"),
        (Invoice("sent"), "a sent invoice can be paid, credited, marked as overdue or voided"),
        (Invoice("overdue"), "an overdue invoice can be paid, credited or voided"),
        (Invoice("paid"), "a paid invoice can be credited"),
        (Invoice("paid", 0), "a paid invoice can be credited or voided"),
        (Invoice("void", written_off=1), "its usage is written off"),
        (
            Invoice("void"),
            "a void invoice stays void; generate --period bills its usage again",
        ),
    ],
)
def test_what_is_allowed_is_said(invoice: Invoice, text: str) -> None:
    assert states.allowed(invoice) == text


def test_only_states_of_the_table_are_reached() -> None:
    assert states.moved(Invoice("sent"), states.PAY, states.PAID) == "paid"
    with pytest.raises(AssertionError, match="sent cannot become overdue by pay"):
        states.moved(Invoice("sent"), states.PAY, states.OVERDUE)
    with pytest.raises(ConflictError, match="invoice 7 is draft and cannot be paid"):
        states.moved(Invoice("draft", invoice_number=None), states.PAY, states.PAID)


def test_the_picture_in_the_docs_is_the_table() -> None:
    picture = re.search(r"```mermaid\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert picture is not None
    arrows = re.findall(r"^ +(\w+) --> (\w+): (.+)$", picture[1], re.MULTILINE)
    drawn = {
        (before, action.strip(), after)
        for before, after, actions in arrows
        for action in actions.split(",")
    }
    assert drawn == {
        (before, action, after)
        for (before, action), ends in states.TRANSITIONS.items()
        for after in ends
    }
