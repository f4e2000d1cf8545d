"""What can be done with an invoice in each state, and what becomes of it (DESIGN section 5).

The table is the rule: nothing else in the code decides whether an invoice may be paid, voided or
changed. ``docs/payments.md`` shows it as a picture, which a test compares with the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from billing_cli.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Mapping

DRAFT, SENT, PAID, OVERDUE, VOID = "draft", "sent", "paid", "overdue", "void"
STATES: Final = (DRAFT, SENT, PAID, OVERDUE, VOID)

EDIT, FINALIZE, VOIDING, MARK_OVERDUE = "edit", "finalize", "void", "mark-overdue"
PAY, CREDIT_NOTE, REVERSE = "pay", "credit-note", "reverse"

TRANSITIONS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    (DRAFT, EDIT): (DRAFT,),
    # Paid at once where the balance is zero; sending is finalizing.
    (DRAFT, FINALIZE): (SENT, PAID),
    (DRAFT, VOIDING): (VOID,),
    (SENT, PAY): (SENT, PAID),
    (SENT, CREDIT_NOTE): (SENT, PAID),
    (SENT, MARK_OVERDUE): (OVERDUE,),
    (SENT, REVERSE): (SENT,),
    (SENT, VOIDING): (VOID,),
    (OVERDUE, PAY): (OVERDUE, PAID),
    (OVERDUE, CREDIT_NOTE): (OVERDUE, PAID),
    (OVERDUE, REVERSE): (OVERDUE,),
    (OVERDUE, VOIDING): (VOID,),
    (PAID, CREDIT_NOTE): (PAID,),
    (PAID, REVERSE): (SENT, OVERDUE),
    # Only with a total of zero: no money has to go back.
    (PAID, VOIDING): (VOID,),
}
"""From a state and an action to the states that the invoice may be in afterwards.

``reverse`` is what a bounced or refunded payment does to the invoice that it paid.
"""

_DONE: Final[Mapping[str, str]] = {
    EDIT: "edited",
    FINALIZE: "finalized",
    PAY: "paid",
    CREDIT_NOTE: "credited",
    MARK_OVERDUE: "marked as overdue",
    VOIDING: "voided",
    REVERSE: "owed again",
}


class Invoice(Protocol):
    """As much of an invoice as the table needs to know."""

    @property
    def id(self) -> int:
        """Its id."""

    @property
    def invoice_number(self) -> str | None:
        """Its number, once it is final."""

    @property
    def status(self) -> str:
        """Its state."""

    @property
    def total(self) -> int:
        """Its total in minor units."""

    @property
    def written_off(self) -> int:
        """Whether its usage is never billed, which only a void invoice says."""


def name_of(invoice: Invoice) -> str:
    """Return what an operator calls an invoice: its number, or without one its id."""
    return invoice.invoice_number or str(invoice.id)


def is_allowed(invoice: Invoice, action: str) -> bool:
    """Tell whether the table has the action for the invoice's state."""
    if (invoice.status, action) == (PAID, VOIDING) and invoice.total != 0:
        return False
    return (invoice.status, action) in TRANSITIONS


def check(invoice: Invoice, action: str) -> None:
    """Raise :class:`ConflictError`, which says what is allowed, unless the action is."""
    if is_allowed(invoice, action):
        return
    what = f"invoice {name_of(invoice)} is {invoice.status}"
    if _DONE[action] == invoice.status:
        raise ConflictError(f"{what} already", allowed(invoice))
    raise ConflictError(f"{what} and cannot be {_DONE[action]}", allowed(invoice))


def moved(invoice: Invoice, action: str, state: str) -> str:
    """Return ``state`` as what an invoice becomes by an action that the table allows.

    Raises :class:`ConflictError` as :func:`check` does. A state that the table does not have for
    the action is a fault of the program.
    """
    check(invoice, action)
    if state not in TRANSITIONS[invoice.status, action]:
        msg = f"{invoice.status} cannot become {state} by {action}"
        raise AssertionError(msg)
    return state


def allowed(invoice: Invoice) -> str:
    """Say what can be done with an invoice in its state."""
    if invoice.status == VOID:
        if invoice.written_off:
            return "its usage is written off"
        return "a void invoice stays void; generate --period bills its usage again"
    # What is owed again follows from what becomes of a payment: it is no command.
    ways = [_DONE[a] for a in _DONE if a != REVERSE and is_allowed(invoice, a)]
    article = "an" if invoice.status == OVERDUE else "a"
    listed = f"{', '.join(ways[:-1])} or {ways[-1]}" if len(ways) > 1 else ways[0]
    return f"{article} {invoice.status} invoice can be {listed}"
