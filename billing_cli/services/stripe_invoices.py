"""Our invoices on Stripe: made, filled, made final, and settled as they are settled here.

Each invoice goes on by one step at a time, decided anew from what is known of both sides; a batch
of invoices goes on together, so that what is about to be sent is kept in one transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_cli.pricing import invoice_states as states
from billing_cli.pricing import stripe_steps as steps
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.stripe_amounts import from_stripe, to_stripe
from billing_cli.pricing.stripe_invoices import read_invoice
from billing_cli.pricing.stripe_steps import There
from billing_cli.services import stripe_customers, stripe_inbox, stripe_mirror
from billing_cli.services.stripe_requests import Answer, Wish
from billing_cli.services.stripe_run import Change, Run
from billing_cli.services.stripe_wishes import OPERATIONS, Gathered, wish
from billing_cli.store import invoices, stripe_invoices, stripe_links, stripe_requests
from billing_cli.store import stripe_state as state
from billing_cli.store.stripe_links import CUSTOMER, INVOICE
from billing_cli.store.stripe_state import Seen

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from billing_cli.store.invoice_rows import InvoiceRow
    from billing_cli.store.stripe_invoices import Pair, StripeInvoiceRow
    from billing_cli.store.unit_of_work import Transaction

_BATCH = 200
# Made, filled, final, told of parts, collected: no invoice takes more steps than this.
_MOST_STEPS = 8

_REPORT = OPERATIONS[steps.PART_ELSEWHERE]
# Made is an invoice first, and then settled: between the two Stripe is told of its credit notes.
_MAKING = frozenset({steps.CREATE, steps.FILL, steps.FINALIZE, steps.DELETE})
_SETTLING = frozenset(OPERATIONS) - _MAKING
# What an operator is told that was done: making an invoice is one thing, in three steps.
_TOLD: Mapping[str, str] = {
    steps.FINALIZE: "create",
    steps.PAID_ELSEWHERE: "mark paid",
    steps.PART_ELSEWHERE: "mark part paid",
    steps.VOID: "void",
    steps.GIVE_UP: "give up",
    steps.DELETE: "delete",
}


def settle(run: Run) -> None:
    """Tell Stripe of what was paid or voided here, before it may collect anything of it."""
    last = 0
    while True:
        with run.account.uow.reading() as tx:
            pairs = stripe_invoices.unsettled(tx, last, _BATCH)
        if not pairs:
            return
        last = pairs[-1].invoice.id
        _look_first(run, pairs)
        _go_on(run, [pair.invoice.id for pair in pairs], _SETTLING)


def _look_first(run: Run, pairs: Sequence[Pair]) -> None:
    """See what Stripe asks for now, where a part of that is to be said to be paid."""
    for pair in pairs:
        if not run.dry and _step_of(pair) == steps.PART_ELSEWHERE and pair.there:
            stripe_inbox.refresh(run.account, "invoice", pair.there.stripe_id or "")


def send(run: Run) -> None:
    """Have every invoice that is final here be final on Stripe."""
    last = 0
    while True:
        with run.account.uow.reading() as tx:
            pairs = stripe_invoices.unsent(tx, last, run.since, _BATCH)
        if not pairs:
            return
        last = pairs[-1].invoice.id
        _make_customers(run, pairs)
        _look_for_numbers(run, pairs)
        _go_on(run, [pair.invoice.id for pair in pairs], _MAKING)
        run.advance(len(pairs))


def _make_customers(run: Run, pairs: Sequence[Pair]) -> None:
    """Have the users of invoices be customers: one may have been deleted since."""
    if run.dry:
        return
    keys = {pair.invoice.user_key for pair in pairs}
    with run.account.uow.reading() as tx:
        known = stripe_links.by_local_ids(tx, CUSTOMER, sorted(map(str, keys)))
    missing = {key for key in keys if str(key) not in known}
    if missing:
        stripe_customers.sync(run, sorted(missing))


def _look_for_numbers(run: Run, pairs: Sequence[Pair]) -> None:
    """Look at what Stripe has of the numbers of invoices that are about to be made."""
    if run.dry:
        return
    numbers = [
        pair.invoice.invoice_number or ""
        for pair in pairs
        if pair.there is None or pair.there.stripe_id is None
    ]
    with run.account.uow.reading() as tx:
        known = stripe_links.by_local_ids(tx, INVOICE, sorted(numbers))
    for link in known.values():
        stripe_inbox.refresh(run.account, "invoice", link.stripe_id)


def _go_on(run: Run, ids: Sequence[int], allowed: Container[str]) -> None:
    """Take invoices as far as they go now by steps of some kinds."""
    left = list(ids)
    refreshed: set[int] = set()
    for _ in range(_MOST_STEPS):
        gathered = _gather(run, left, allowed)
        if run.dry:
            _rehearse(run, gathered)
            return
        wishes = _wishes(run, gathered)
        if not wishes:
            return
        answers, unknown = _send(run, gathered, wishes)
        left = [number for number in answers if answers[number] is None]
        for number, problem in answers.items():
            if problem is None:
                continue
            looked = number in refreshed or number in unknown
            if not looked and _has_changed(run, gathered.pairs[number]):
                # It stands otherwise than was known: what is to be done is decided anew.
                refreshed.add(number)
                left.append(number)
            else:
                _report(run, gathered, number, problem)


def _gather(run: Run, ids: Sequence[int], allowed: Container[str]) -> Gathered:
    with run.account.uow.reading() as tx:
        pairs = {pair.invoice.id: pair for pair in stripe_invoices.by_ids(tx, ids)}
        found = {
            number: step
            for number, pair in pairs.items()
            if (step := _step_of(pair)) in allowed and step
        }
        to_fill = [number for number, step in found.items() if step == steps.FILL]
        keys = sorted({str(pairs[number].invoice.user_key) for number in found})
        new = [number for number, step in found.items() if step == steps.CREATE]
        names = sorted(pairs[number].invoice.invoice_number or "" for number in new)
        return Gathered(
            pairs,
            found,
            invoices.lines_of_all(tx, to_fill) if to_fill else {},
            stripe_links.by_local_ids(tx, CUSTOMER, keys) if keys else {},
            stripe_links.by_local_ids(tx, INVOICE, names) if names else {},
        )


def _step_of(pair: Pair) -> str | None:
    row, found = pair
    due = row.due if row.status != states.VOID else 0
    if found is None:
        return steps.next_step(row.status, due, None)
    is_whole = found.remaining == row.total
    there = There(found.stage, found.status, found.remaining, bool(found.collects), is_whole)
    return steps.next_step(row.status, due, there)


def _wishes(run: Run, gathered: Gathered) -> dict[int, Wish]:
    """Return what is to be sent for each invoice; what cannot be is held up, with the reason."""
    wishes = {}
    for number, step in gathered.steps.items():
        pair = gathered.pairs[number]
        try:
            wishes[number] = wish(run, gathered, pair, step)
        except ValueError as error:
            _hold(run, pair, str(error))
            _report(run, gathered, number, str(error))
    return wishes


def _send(
    run: Run, gathered: Gathered, wishes: Mapping[int, Wish]
) -> tuple[dict[int, str | None], set[int]]:
    """Send wishes; return for each invoice what is in its way, None where it can go on.

    In the set are those of which nobody knows whether it was done.
    """
    unknown: set[int] = set()
    by_target = {wish.target: number for number, wish in wishes.items()}
    found: dict[int, str | None] = {}

    def record(tx: Transaction, answer: Answer) -> None:
        number = by_target[answer.wish.target]
        found[number] = _record(tx, run, gathered.pairs[number], answer)

    reports = [wish.target for wish in wishes.values() if wish.operation == _REPORT]
    with run.account.uow.reading() as tx:
        records = _known_records(tx, reports)
    first = [wish for wish in wishes.values() if wish.target not in records]
    with run.account.uow.batch() as tx:
        (ticket,) = state.take_tickets(tx, 1)
    run.tickets = ticket

    def still(tx: Transaction) -> set[str]:
        pairs = stripe_invoices.by_ids(tx, sorted(by_target.values()))
        same = {pair.invoice.id for pair in pairs if pair == gathered.pairs[pair.invoice.id]}
        return {target for target, number in by_target.items() if number in same}

    def still_first(tx: Transaction) -> set[str]:
        # What another process has reported meanwhile is not reported again.
        return still(tx) - set(_known_records(tx, reports))

    for answer in run.sender.send(first, record, still_first):
        if answer.is_open:
            found[by_target[answer.wish.target]] = answer.problem
            unknown.add(by_target[answer.wish.target])
    with run.account.uow.reading() as tx:
        records = _known_records(tx, reports)
    for answer in run.sender.send(_countings(gathered, by_target, records), record, still):
        if answer.is_open:
            found[by_target[answer.wish.target]] = answer.problem
            unknown.add(by_target[answer.wish.target])
    for number, problem in found.items():
        if problem is None:
            _report_step(run, gathered, number)
    return found, unknown


def _countings(
    gathered: Gathered, by_target: Mapping[str, int], records: Mapping[str, str]
) -> list[Wish]:
    """Return that payments which were reported count for their invoices."""
    return [
        Wish(
            target,
            "invoice.attach_payment",
            {"payment_record": made},
            _stripe_id(gathered, by_target[target]),
        )
        for target, made in records.items()
    ]


def _stripe_id(gathered: Gathered, number: int) -> str:
    there = gathered.pairs[number].there
    return "" if there is None or there.stripe_id is None else there.stripe_id


def _known_records(tx: Transaction, targets: Sequence[str]) -> dict[str, str]:
    """Return the payments that were reported, by the targets of these reports."""
    known = stripe_requests.last_of(tx, targets) if targets else {}
    return {
        target: row.result
        for (target, operation), row in known.items()
        if operation == _REPORT and row.result
    }


def _record(tx: Transaction, run: Run, pair: Pair, answer: Answer) -> str | None:
    """Keep what an answer says of an invoice; return what is in its way."""
    row, there = pair
    if answer.result is None:
        stripe_invoices.set_problem(tx, row.id, answer.problem or "")
        return answer.problem
    if answer.wish.operation == "payment_record.report":
        return None
    found = read_invoice(answer.result)
    there = there or stripe_invoices.nothing(row.id)
    if answer.wish.operation == "invoice.create":
        there = there._replace(stage=steps.CREATED)
    stand = stripe_mirror.standing(run.account, there, found)
    if answer.wish.operation == "invoice.add_lines":
        if found.status == steps.VOIDED and row.status != states.VOID:
            # Not the draft that was just asked for, but what an old key has brought back.
            stripe_invoices.put(tx, [stripe_invoices.nothing(row.id)])
            return None
        stand = stand._replace(stage=steps.FILLED if found.status == steps.DRAFT else steps.FINAL)
        total = from_stripe(found.total, row.currency)
        if total != row.total:
            problem = _unlike(row, total)
            # It stays a draft there, which nobody is asked to pay, until the next run.
            stripe_invoices.put(tx, [stand._replace(stage=steps.ODD, problem=problem)])
            return problem
    if answer.wish.operation == "invoice.delete" and row.status != states.VOID:
        stand = stripe_invoices.nothing(row.id)
    seen = Seen("invoice", found.id, run.tickets, found.status)
    if state.is_newest(tx, seen, run.account.now) or found.status == steps.DRAFT:
        stripe_invoices.put(tx, [stand])
    return None


def _unlike(row: InvoiceRow, total: int) -> str:
    there, here = (format_minor(amount, row.currency) for amount in (total, row.total))
    return f"its lines add up to {there} {row.currency} on Stripe and to {here} here"


def _has_changed(run: Run, pair: Pair) -> bool:
    """Look how an invoice that was refused stands; tell whether otherwise than was known."""
    there = pair.there
    if there is None or there.stripe_id is None:
        return _has_other_customer(run, pair)
    before = _standing(there)
    stripe_inbox.refresh(run.account, "invoice", there.stripe_id)
    with run.account.uow.reading() as tx:
        (again,) = stripe_invoices.by_ids(tx, [pair.invoice.id])
    return again.there is not None and _standing(again.there) != before


def _has_other_customer(run: Run, pair: Pair) -> bool:
    """Look for the user of an invoice that was refused; tell whether it is a new customer now."""
    key = str(pair.invoice.user_key)

    def known() -> str:
        with run.account.uow.reading() as tx:
            link = stripe_links.by_local_ids(tx, CUSTOMER, [key]).get(key)
        return "" if link is None else link.stripe_id

    before = known()
    if before:
        # Nobody may have told that it was deleted.
        stripe_inbox.refresh(run.account, "customer", before)
    _make_customers(run, [pair])
    return known() not in {before, ""}


def _standing(there: StripeInvoiceRow) -> tuple[str, str, int]:
    return there.stage, there.status, there.remaining


def _hold(run: Run, pair: Pair, problem: str) -> None:
    if not run.dry:
        with run.account.uow.batch() as tx:
            stripe_invoices.set_problem(tx, pair.invoice.id, problem)


def _change(gathered: Gathered, number: int, action: str) -> Change:
    row = gathered.pairs[number].invoice
    amount = format_minor(row.total, row.currency)
    return Change(
        "invoice", action, "stripe", row.user_id, row.invoice_number or str(row.id), amount
    )


def _report(run: Run, gathered: Gathered, number: int, problem: str) -> None:
    step = gathered.steps.get(number, steps.CREATE)
    run.tell(_change(gathered, number, _TOLD.get(step, "create")), problem)


def _report_step(run: Run, gathered: Gathered, number: int) -> None:
    action = _TOLD.get(gathered.steps[number])
    if action is not None:
        run.tell(_change(gathered, number, action))


def _rehearse(run: Run, gathered: Gathered) -> None:
    for number, step in gathered.steps.items():
        change = _change(gathered, number, _TOLD.get(step, "create"))
        row = gathered.pairs[number].invoice
        try:
            for amount in (row.subtotal, row.tax, row.credits, row.total):
                to_stripe(amount, row.currency)
        except ValueError as error:
            change = change._replace(action="hold", detail=str(error))
        run.tell(change)
