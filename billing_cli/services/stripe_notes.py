"""Refunds and credit notes of ours on Stripe: the money first, then the paper that is about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_cli.gateway import stripe_parameters as parameters
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.stripe_amounts import to_stripe
from billing_cli.services import stripe_inbox
from billing_cli.services.stripe_requests import Answer, Wish
from billing_cli.services.stripe_run import Change, Run
from billing_cli.store import stripe_invoices, stripe_links, stripe_requests
from billing_cli.store.stripe_links import CREDIT_NOTE, REFUND, Link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from billing_cli.store.stripe_invoices import NoteToSend, RefundToSend
    from billing_cli.store.unit_of_work import Transaction

_BATCH = 200


def send_refunds(run: Run) -> None:
    """Give back on Stripe what was given back here of payments that came through it."""
    last = 0
    while True:
        with run.account.uow.reading() as tx:
            found = stripe_invoices.refunds_to_send(tx, last, _BATCH)
        if not found:
            return
        last = found[-1].id
        _send_refunds(run, found)


def _send_refunds(run: Run, found: Sequence[RefundToSend]) -> None:
    wishes, by_target = [], {}
    for one in found:
        target = f"refund/{one.id}"
        by_target[target] = one
        try:
            amount = to_stripe(one.amount, one.currency)
        except ValueError as error:
            run.tell(_refund_change(one), str(error))
            continue
        wanted = parameters.refund(one.intent, amount, one.id, run.account.installation)
        wishes.append(Wish(target, "refund.create", dict(wanted)))
    if run.dry:
        for wish in wishes:
            run.tell(_refund_change(by_target[wish.target]))
        return

    def record(tx: Transaction, answer: Answer) -> None:
        if answer.result is not None:
            local = str(by_target[answer.wish.target].id)
            stripe_links.put(tx, [Link(REFUND, local, str(answer.result["id"]), "")])

    def still(tx: Transaction) -> set[str]:
        done = stripe_links.by_local_ids(tx, REFUND, [str(one.id) for one in found])
        return {target for target, one in by_target.items() if str(one.id) not in done}

    for answer in run.sender.send(wishes, record, still):
        run.tell(_refund_change(by_target[answer.wish.target]), answer.problem)


def _refund_change(one: RefundToSend) -> Change:
    amount = format_minor(one.amount, one.currency)
    return Change("refund", "create", "stripe", one.user_id, one.intent, amount)


def send_notes(run: Run) -> None:
    """Have the credit notes of invoices that are on Stripe be there, too."""
    last = 0
    while True:
        with run.account.uow.reading() as tx:
            found = stripe_invoices.notes_to_send(tx, last, _BATCH)
            given = _given(tx, found)
        if not found:
            return
        last = found[-1].id
        _send_notes(run, found, given)


def _given(tx: Transaction, found: Sequence[NoteToSend]) -> dict[int, list[tuple[int, str | None]]]:
    """Return what was given back for each note: amounts, and Stripe's refunds."""
    given: dict[int, list[tuple[int, str | None]]] = {}
    for note, amount, refund in stripe_invoices.refunds_of_notes(tx, [one.id for one in found]):
        given.setdefault(note, []).append((amount, refund))
    return given


def _send_notes(
    run: Run,
    found: Sequence[NoteToSend],
    given: Mapping[int, list[tuple[int, str | None]]],
) -> None:
    if not run.dry:
        found = _unlinked(run, found)
    by_target = {f"credit-note/{one.id}": one for one in found}
    wishes = []
    for target, one in by_target.items():
        try:
            wishes.append(_note(run, target, one, given.get(one.id, ())))
        except ValueError as error:
            run.tell(_note_change(one), str(error))
    if run.dry:
        for wish in wishes:
            run.tell(_note_change(by_target[wish.target]))
        return

    def record(tx: Transaction, answer: Answer) -> None:
        if answer.result is not None:
            one = by_target[answer.wish.target]
            stripe_links.put(tx, [Link(CREDIT_NOTE, str(one.id), str(answer.result["id"]), "")])

    def still(tx: Transaction) -> set[str]:
        done = stripe_links.by_local_ids(tx, CREDIT_NOTE, [str(one.id) for one in found])
        return {target for target, one in by_target.items() if str(one.id) not in done}

    for answer in run.sender.send(wishes, record, still):
        one = by_target[answer.wish.target]
        _look_at_rest(run, one, answer)
        run.tell(_note_change(one), answer.problem)


def _look_at_rest(run: Run, one: NoteToSend, answer: Answer) -> None:
    """See how much Stripe asks for once a note has taken something off."""
    if answer.result is not None and one.remaining:
        stripe_inbox.refresh(run.account, "invoice", one.invoice)


def _unlinked(run: Run, found: Sequence[NoteToSend]) -> list[NoteToSend]:
    """Link the notes that are there, and return the others."""
    there = _on_stripe(run, found)
    with run.account.uow.batch() as tx:
        stripe_links.put(tx, there)
        _close_requests(tx, there, run.account.now)
    linked = {link.local_id for link in there}
    return [one for one in found if str(one.id) not in linked]


def _close_requests(tx: Transaction, there: Sequence[Link], now: int) -> None:
    """Close requests without an answer for notes that were found there."""
    made = {f"credit-note/{link.local_id}": link.stripe_id for link in there}
    known = stripe_requests.last_of(tx, sorted(made))
    stripe_requests.finish(
        tx,
        [
            (now, made[row.target], None, row.idempotency_key)
            for row in known.values()
            if row.finished_at is None
        ],
    )


def _on_stripe(run: Run, found: Sequence[NoteToSend]) -> list[Link]:
    """Return the notes that somebody made on Stripe for the same refunds, as links of ours.

    A refund that came from there has a note here; where one is there, too, it is the same.
    """
    same: list[Link] = []
    with run.account.uow.reading() as tx:
        given = _given(tx, found)
    for one in found:
        refunds = {refund for _, refund in given.get(one.id, ()) if refund is not None}
        if not refunds:
            continue
        for raw in run.account.gateway.all("credit_notes", invoice=one.invoice):
            theirs = {part["refund"] for part in raw.get("refunds") or () if part.get("refund")}
            if theirs & refunds:
                same.append(Link(CREDIT_NOTE, str(one.id), str(raw["id"]), ""))
    return same


def _note(run: Run, target: str, one: NoteToSend, given: Sequence[tuple[int, str | None]]) -> Wish:
    # The further parts of a refund, which have a stroke, are about other invoices' payments.
    theirs = [
        (refund, amount)
        for amount, refund in given
        if refund is not None and refund.startswith(("re_", "pyr_")) and "/" not in refund
    ]
    refunds = [(refund, to_stripe(amount, one.currency)) for refund, amount in theirs]
    through = sum(amount for _, amount in theirs)
    # What became a credit here, or went back by other ways, is no money of Stripe's; nor is what
    # it does not ask for any more.
    elsewhere = one.amount - min(one.applied, one.remaining) - through
    about = parameters.metadata(credit_note=one.number, installation=run.account.installation)
    wanted = parameters.credit_note(
        one.invoice,
        to_stripe(one.amount, one.currency),
        refunds,
        to_stripe(elsewhere, one.currency),
        f"{one.number}: {one.reason}",
        about,
    )
    return Wish(target, "credit_note.create", dict(wanted))


def _note_change(one: NoteToSend) -> Change:
    amount = format_minor(one.amount, one.currency)
    return Change("credit note", "create", "stripe", one.user_id, one.number, amount)
