"""What is to be done next so that an invoice of ours stands on Stripe as it stands here.

One step at a time: each is decided anew from what both sides say, so that it does not matter where
an earlier run has stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from billing_cli.pricing import invoice_states as states

CREATE, FILL, FINALIZE = "create", "fill", "finalize"
PAID_ELSEWHERE, PART_ELSEWHERE, COLLECT = "paid-elsewhere", "part-elsewhere", "collect"
VOID, DELETE, GIVE_UP = "void", "delete", "give-up"

# How far ours has come, and what Stripe calls the states of an invoice.
HELD, CREATED, FILLED, FINAL = "held", "created", "filled", "final"
# A draft there whose lines do not add up to ours: it is thrown away, and begun again.
ODD = "odd"
DRAFT, OPEN, PAID, VOIDED, UNCOLLECTIBLE = "draft", "open", "paid", "void", "uncollectible"
GONE: Final = "deleted"
_ON_THE_WAY: Final = {CREATED: FILL, FILLED: FINALIZE, ODD: DELETE}


@dataclass(frozen=True, slots=True)
class There:
    """An invoice as Stripe has it: amounts in our minor units.

    ``is_whole`` says that nothing of its total was paid or credited there.
    """

    stage: str
    status: str
    remaining: int
    collects: bool
    is_whole: bool = True


def next_step(status: str, due: int, there: There | None) -> str | None:
    """Return the next step for an invoice of a status on which ``due`` is owed here.

    ``there`` is None while Stripe has nothing of it. None means that nothing is to be done: both
    sides agree, or what differs is not ours to change.
    """
    if there is None or there.stage == HELD:
        return CREATE if status not in {states.DRAFT, states.VOID} else None
    if there.status == GONE:
        return None
    if status == states.VOID:
        return _undo(there)
    return _ON_THE_WAY[there.stage] if there.stage in _ON_THE_WAY else _settle(due, there)


def _undo(there: There) -> str | None:
    if there.status == DRAFT:
        return DELETE
    if there.is_whole:
        return VOID if there.status in {OPEN, UNCOLLECTIBLE} else None
    # What something was paid of cannot be voided there: nobody collects the rest.
    return GIVE_UP if there.status == OPEN else None


def _settle(due: int, there: There) -> str | None:
    """Tell Stripe of what was paid elsewhere before it may go for the rest."""
    if there.status not in {OPEN, UNCOLLECTIBLE}:
        return None
    if due == 0:
        return PAID_ELSEWHERE
    if there.status == UNCOLLECTIBLE:
        return None
    if there.remaining > due:
        return PART_ELSEWHERE
    return None if there.collects or there.remaining < due else COLLECT


def collects_at_once(due: int, total: int) -> bool:
    """Tell whether Stripe may go for the money as soon as an invoice is final.

    Not where something was paid elsewhere: Stripe has to be told of that first.
    """
    return due == total and due > 0
