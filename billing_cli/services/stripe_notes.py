"""Refunds and credit notes of ours on Stripe: the money first, then the paper that is about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from billing_cli.gateway import stripe_parameters as parameters
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.stripe_amounts import from_stripe, to_stripe
from billing_cli.services.stripe_requests import Answer, Wish
from billing_cli.services.stripe_run import Change, Run
from billing_cli.store import stripe_invoices, stripe_links
from billing_cli.store import stripe_requests as requests
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
    by_target = {f"credit-note/{one.id}": one for one in found}
    if not run.dry:
        there = _on_stripe(run, found)
        with run.account.uow.batch() as tx:
            stripe_links.put(tx, there)
        linked = {link.local_id for link in there}
        by_target = {key: one for key, one in by_target.items() if str(one.id) not in linked}
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
            _lower(tx, one, answer.result)

    def still(tx: Transaction) -> set[str]:
        done = stripe_links.by_local_ids(tx, CREDIT_NOTE, [str(one.id) for one in found])
        return {target for target, one in by_target.items() if str(one.id) not in done}

    for answer in run.sender.send(wishes, record, still):
        run.tell(_note_change(by_target[answer.wish.target]), answer.problem)


def _on_stripe(run: Run, found: Sequence[NoteToSend]) -> list[Link]:
    """Return the notes that somebody made on Stripe for the same refunds, as links of ours.

    A refund that came from there has a note here; where one is there, too, it is the same.
    """
    same: list[Link] = []
    with run.account.uow.reading() as tx:
        given = _given(tx, found)
        known = requests.last_of(tx, [f"credit-note/{one.id}" for one in found])
    # Of these an earlier run has sent a note and not heard of it: it is asked for again.
    sent = {target for (target, _), row in known.items() if row.finished_at is None}
    for one in found:
        if f"credit-note/{one.id}" in sent:
            continue
        refunds = {refund for _, refund in given.get(one.id, ()) if refund is not None}
        if not refunds:
            continue
        for raw in run.account.gateway.all("credit_notes", invoice=one.invoice):
            theirs = {part["refund"] for part in raw.get("refunds") or () if part.get("refund")}
            if theirs & refunds:
                same.append(Link(CREDIT_NOTE, str(one.id), str(raw["id"]), ""))
    return same


def _note(run: Run, target: str, one: NoteToSend, given: Sequence[tuple[int, str | None]]) -> Wish:
    refunds = [
        (refund, to_stripe(amount, one.currency))
        for amount, refund in given
        if refund is not None and refund.startswith(("re_", "pyr_"))
    ]
    through = sum(amount for amount, refund in given if refund is not None)
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


def _lower(tx: Transaction, one: NoteToSend, made: Mapping[str, Any]) -> None:
    """Keep that Stripe asks for less of an invoice by what a note took off."""
    pair = stripe_invoices.by_stripe_id(tx, one.invoice)
    taken = made.get("pre_payment_amount")
    if pair is not None and pair.there is not None and isinstance(taken, int):
        remaining = max(0, pair.there.remaining - from_stripe(taken, one.currency))
        stripe_invoices.put(tx, [pair.there._replace(remaining=remaining)])
