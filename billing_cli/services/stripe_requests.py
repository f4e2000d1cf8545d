"""Writes to Stripe that are done once, whatever happens on the way.

Each is stored with its key before it is sent. What has no answer yet is sent again as it was, with
the key that it had: Stripe does it once and answers the same. Where a key has grown old, or will
only ever bring a failure, it is looked up whether the thing was done before another key is used.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from billing_cli.errors import UnavailableError
from billing_cli.gateway.stripe_errors import StripeRefusalError, StripeSilenceError
from billing_cli.store import stripe_requests as store
from billing_cli.store.stripe_requests import RequestRow

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from billing_cli.services.stripe_access import Account
    from billing_cli.store.unit_of_work import Transaction

    Json = dict[str, Any]

# Stripe may forget a key after a day.
_OLD_KEY_SECONDS = 23 * 3600
# After so many requests in a row without an answer there is no use in sending more.
_MOST_SILENT = 3

# What is set by these is to be as it is wanted now: what an earlier run wanted is not sent again.
_SETTING = frozenset(
    {
        "customer.update",
        "product.update",
        "price.update",
        "invoice.update",
        "invoice.finalize",
    }
)

_SECONDS_UNTIL_ANOTHER_LOOK = 1.0

# How to look for what a create may have made: the list, and the parameters that narrow it down.
_LISTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "customer.create": ("customers", ()),
    "product.create": ("products", ()),
    "price.create": ("prices", ("product",)),
    "invoice.create": ("invoices", ("customer",)),
    "refund.create": ("refunds", ("payment_intent",)),
    "credit_note.create": ("credit_notes", ("invoice",)),
}


class Wish(NamedTuple):
    """A write that is wanted: an operation on a target, which is how we call the object.

    ``object_id`` is Stripe's id of what it is done to, empty for something new.
    """

    target: str
    operation: str
    parameters: Mapping[str, Any]
    object_id: str = ""


class Answer(NamedTuple):
    """What became of a wish: the object it left, or why there is none.

    ``refusal`` is what Stripe said where it said no. ``is_open`` says that nobody knows; the same
    wish will find out. ``sent`` is what was really sent, which may be what an earlier run wanted;
    None where the object was found.
    """

    wish: Wish
    result: Json | None
    problem: str | None = None
    is_open: bool = False
    sent: Mapping[str, Any] | None = None
    refusal: StripeRefusalError | None = None


@dataclass(slots=True)
class Sender:
    """Sends wishes for one account."""

    account: Account
    silent: int = 0
    unknown: set[str] = field(default_factory=set)
    """The keys of requests that were sent in this run and of which nobody knows what became."""

    def send(
        self,
        wishes: Sequence[Wish],
        record: Callable[[Transaction, Answer], None],
        still: Callable[[Transaction], Container[str]],
    ) -> list[Answer]:
        """Send wishes, and return what became of each.

        ``still`` says which targets are wanted still, in the transaction that keeps the requests:
        another process may have been quicker. While sending takes long it is asked again: what is
        not wanted any more is not sent. ``record`` keeps what an answer means, in the
        transaction that keeps the answer. Raises :class:`UnavailableError`, with everything kept,
        when Stripe does not answer any more.
        """
        if not wishes:
            return []
        with self.account.uow.batch() as tx:
            wanted = still(tx)
            wishes = [wish for wish in wishes if wish.target in wanted]
            rows = self._prepare(tx, wishes)
        answers, finished = [], []
        monotonic = self.account.gateway.monotonic
        looked = monotonic()
        try:
            for wish, row in zip(wishes, rows, strict=True):
                if monotonic() - looked > _SECONDS_UNTIL_ANOTHER_LOOK:
                    # The others took their time: somebody may have paid elsewhere meanwhile.
                    with self.account.uow.reading() as tx:
                        wanted = still(tx)
                    looked = monotonic()
                if wish.target not in wanted:
                    continue
                answer, used = self._one(wish, row)
                if answer.is_open:
                    self.unknown.add(used)
                answers.append(answer)
                finished.append(used)
        finally:
            # Also when there is no use in going on: nothing that was answered may be lost.
            with self.account.uow.batch() as tx:
                self._keep(tx, answers, finished, record)
        return answers

    def _keep(
        self,
        tx: Transaction,
        answers: Sequence[Answer],
        finished: Sequence[str],
        record: Callable[[Transaction, Answer], None],
    ) -> None:
        done = []
        for answer, key in zip(answers, finished, strict=True):
            if answer.is_open:
                continue
            result = None if answer.result is None else str(answer.result.get("id", ""))
            done.append((self.account.now, result, answer.problem, key))
            record(tx, answer)
        store.finish(tx, done)

    def _prepare(self, tx: Transaction, wishes: Sequence[Wish]) -> list[RequestRow]:
        """Return the request for each wish: the one that has no answer yet, or a new one."""
        known = store.last_of(tx, sorted({wish.target for wish in wishes}))
        rows, new = [], []
        for wish in wishes:
            last = known.get((wish.target, wish.operation))
            if last is not None and last.finished_at is None:
                rows.append(last)
                continue
            row = self._row(wish, 1 if last is None else last.number + 1)
            known[wish.target, wish.operation] = row
            rows.append(row)
            new.append(row)
        store.insert(tx, new)
        return rows

    def _row(self, wish: Wish, number: int) -> RequestRow:
        name = f"{self.account.installation}/{wish.target}/{wish.operation}/{number}"
        return RequestRow(
            # Whatever a target is called, a key is short and has no odd characters.
            f"billing-{hashlib.sha256(name.encode()).hexdigest()[:40]}",
            wish.target,
            wish.operation,
            number,
            wish.object_id,
            _written(wish.parameters),
            self.account.now,
        )

    def _one(self, wish: Wish, row: RequestRow) -> tuple[Answer, str]:
        """Send one request; return what became of it, and the key that was used in the end."""
        # Of one that was sent in the future, as --at may say, nobody knows how old it is.
        is_old = abs(self.account.now - row.sent_at) > _OLD_KEY_SECONDS
        is_other = row.operation in _SETTING and row.parameters != _written(wish.parameters)
        answer = None if is_old or is_other else self._ask(wish, row)
        if answer is not None:
            return answer, row.idempotency_key
        try:
            found = self._look_up(row)
        except StripeSilenceError as error:
            return self._silence(wish, error), row.idempotency_key
        except StripeRefusalError as error:
            if not error.is_missing:
                # Whether it was done is still unknown: nothing may be said of it.
                raise
            return Answer(wish, None, str(error), refusal=error), row.idempotency_key
        if found is not None:
            return Answer(wish, found), row.idempotency_key
        with self.account.uow.batch() as tx:
            store.finish(
                tx, [(self.account.now, None, "not done: sent again", row.idempotency_key)]
            )
            again = self._row(wish, row.number + 1)
            store.insert(tx, [again])
        answer = self._ask(wish, again)
        if answer is None:
            answer = Answer(wish, None, "Stripe keeps failing at it", is_open=True)
        return answer, again.idempotency_key

    def _ask(self, wish: Wish, row: RequestRow) -> Answer | None:
        """Send one request; None where its key will never bring another answer."""
        parameters: Json = json.loads(row.parameters)
        try:
            result = self.account.gateway.write(
                row.operation, row.object_id, parameters, row.idempotency_key
            )
        except StripeRefusalError as error:
            self.silent = 0
            return Answer(wish, None, str(error), refusal=error)
        except StripeSilenceError as error:
            return None if error.is_stored else self._silence(wish, error)
        self.silent = 0
        return Answer(wish, result, sent=parameters)

    def _silence(self, wish: Wish, error: StripeSilenceError) -> Answer:
        self.silent += 1
        if self.silent >= _MOST_SILENT:
            raise UnavailableError(
                str(error), "run it again later: what was done is not done twice"
            ) from error
        return Answer(wish, None, str(error), is_open=True)

    def _look_up(self, row: RequestRow) -> Json | None:
        """Return what an earlier try has made, if it has."""
        if row.operation == "invoice.add_lines":
            found = self.account.gateway.read("invoice", row.object_id)
            return found if (found.get("lines") or {}).get("data") else None
        if row.operation == "invoice.finalize":
            found = self.account.gateway.read("invoice", row.object_id)
            return found if found.get("status") != "draft" else None
        if row.operation not in _LISTS:
            # Doing it again changes nothing, or is refused: what is there is looked at then.
            return None
        what, names = _LISTS[row.operation]
        parameters = json.loads(row.parameters)
        wanted = parameters["metadata"]
        narrowed = {name: parameters[name] for name in names}
        for found in self.account.gateway.all(what, **narrowed):
            about = found.get("metadata") or {}
            if all(about.get(name) == value for name, value in wanted.items()) and _is_same(
                row.operation, parameters, found
            ):
                return found
        return None


def require_known(answer: Answer) -> None:
    """Raise :class:`UnavailableError` where nobody knows what became of a wish."""
    if answer.is_open:
        raise UnavailableError(
            answer.problem or "Stripe did not answer", "run it again: nothing is done twice"
        )


def _written(parameters: Mapping[str, Any]) -> str:
    return json.dumps(parameters, sort_keys=True)


def _is_same(operation: str, parameters: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Tell whether what is alike by its metadata is what was asked for."""
    if operation == "invoice.create" and found.get("number") != parameters["number"]:
        # Made from ours in the dashboard, where the metadata is taken along.
        return False
    if operation != "price.create":
        return found.get("status") not in {"void", "canceled", "failed"}
    return (
        found.get("active") is True
        and found.get("unit_amount") == parameters["unit_amount"]
        and found.get("currency") == parameters["currency"]
        and (found.get("recurring") or {}).get("interval") == parameters["recurring"]["interval"]
    )
