"""One subscription under the write lock: what can be done with it, and what that entails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from billing_cli.errors import ConflictError, NotFoundError
from billing_cli.pricing.chains import continued, cut
from billing_cli.pricing.excerpts import quoted
from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.subscriptions import Phase, plan_of, term_at
from billing_cli.pricing.timelines import FOREVER
from billing_cli.services.restating import changed, plans_changed
from billing_cli.services.subscription_rows import notice, row_of
from billing_cli.store import outbox, subscriptions, users
from billing_cli.store.names import id_named
from billing_cli.store.subscriptions import NewSubscription

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing_cli.pricing.plans import Plan
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.subscriptions import Listed
    from billing_cli.store.unit_of_work import Transaction

OPERATOR = "operator"


class Wanted(NamedTuple):
    """The subscription that a command names: by its id, or as a user's live or newest one."""

    reference: str | None
    user_id: str | None


class Done(NamedTuple):
    """What a command did: the subscription as it was and is, and from when on."""

    before: dict[str, object] | None
    after: dict[str, object]
    effective_at: int
    is_ahead: bool
    notes: list[str]
    invoice: dict[str, object] | None = None
    """What the running period's invoice will say, where it was asked and is not made yet."""


@dataclass(slots=True)
class Action:
    """One subscription, and what is needed to change it, under the write lock."""

    tx: Transaction
    history: TermsHistory
    now: int
    found: Listed

    @property
    def row(self) -> subscriptions.SubscriptionRow:
        """What is kept of it but its phases."""
        return self.found.row

    @property
    def number(self) -> int:
        """Its id."""
        return self.found.row.id

    @property
    def name(self) -> str:
        """How errors name it."""
        return f"subscription {self.number} of user {self.found.row.user_id!r}"

    @property
    def chain(self) -> list[Phase]:
        """Its phases as they were before the command."""
        return self.found.phases

    @property
    def before(self) -> dict[str, object]:
        """The subscription as it was before the command, to be shown."""
        return row_of(self.history, self.found, self.now)

    @property
    def all_phases(self) -> list[Phase]:
        """The phases of all of its user's subscriptions, as they are by now."""
        key = self.row.user_key
        return subscriptions.phases_of(self.tx, [key]).get(key, [])

    @property
    def others(self) -> list[Phase]:
        """The phases of its user's other subscriptions."""
        return [phase for phase in self.all_phases if phase.subscription_id != self.number]

    @property
    def is_ending(self) -> bool:
        """Tell whether somebody asked for its end; a later subscription may bound it, too."""
        return self.row.canceled_at is not None and self.chain[-1].end < FOREVER

    def require_running(self, what: str) -> Phase:
        """Return the phase held now, or the first one to come."""
        coming = [phase for phase in self.chain if phase.end > self.now]
        if not coming:
            end = f"at {format_instant(self.chain[-1].end)}" if self.chain else "before it began"
            raise ConflictError(
                f"{self.name} ended {end}: it cannot be {what}",
                "billing subscription resume starts it again, create begins another",
            )
        return coming[0]

    def change_at(self, held: Phase, plan_id: str, *, immediate: bool, at_end: bool) -> int:
        """Return from when on the subscription is to have a plan.

        One that has not begun has it from its beginning, or with ``at_end`` after its first term.
        """
        at = max(held.start, self.now)
        term_start, term_end = term_at(self.history, held, at)
        if immediate:
            return at
        if not at_end:
            if plan_id == held.plan_id or held.start > self.now:
                return at
            plan = self.history.at(at).plans.get(plan_id)
            current = plan_of(self.history, held.plan_id, max(term_start, held.start))
            if plan is not None and plan.yearly_fee >= current.yearly_fee:
                return at
        return term_end

    def require_ours(self) -> None:
        """Raise ConflictError where Stripe has the subscription: there it is changed."""
        if self.row.stripe_subscription_id is not None:
            raise ConflictError(
                f"{self.name} is Stripe's ({self.row.stripe_subscription_id})",
                "change it there, as its user can: billing stripe portal --user USER",
            )

    def require_lasting(self) -> None:
        """Raise ConflictError where somebody asked for its end."""
        if self.is_ending:
            raise ConflictError(
                f"{self.name} ends at {format_instant(self.chain[-1].end)}: "
                "its plan cannot be changed as well",
                "billing subscription resume lets it go on",
            )

    def change_plan(self, plan_id: str, *, immediate: bool = False, at_end: bool = False) -> int:
        """Give it a plan from the instant on that :meth:`change_at` says; return that instant.

        Raises ConflictError where it has ended or is to end, or has the plan already, and what
        :func:`require_plans` and :func:`require_plan` raise.
        """
        held = self.require_running("changed")
        self.require_ours()
        self.require_lasting()
        at = self.change_at(held, plan_id, immediate=immediate, at_end=at_end)
        require_plans(self.history, at)
        plan = require_plan(self.history, plan_id, at)
        end = self.chain[-1].end
        added = Phase(held.user_key, held.subscription_id, at, end, plan_id, first=False)
        replaced = continued(cut(self.chain, at), added)
        if replaced == self.chain:
            raise ConflictError(
                f"{self.name} has the plan {plan_id!r} already",
                "billing subscription show shows what it holds and what comes next",
            )
        self.replace(replaced)
        self.tell("changed", at, plan, previous_plan_id=held.plan_id)
        return at

    def replace(self, chain: Sequence[Phase]) -> None:
        """Give the subscription other phases, and mark what that makes wrong."""
        before = self.all_phases
        subscriptions.replace_phases(self.tx, self.number, chain)
        self.mark(before)

    def mark(self, before: Sequence[Phase]) -> None:
        """Mark what is wrong now, where its user's phases were others before."""
        found = changed(self.row.user_key, before, self.all_phases)
        plans_changed(self.tx, self.history, self.history, found, self.now)

    def tell(self, verb: str, at: int, plan: Plan, **more: object) -> None:
        """Have others told what was done, each time anew."""
        number = outbox.newest(self.tx) + 1
        found = notice(self.history, self.row, verb, plan, at, self.now, **more)
        told_as = f"{found.identity}/{at}/{number}"
        outbox.tell(self.tx, [found._replace(identity=told_as)], self.now)

    def done(self, before: dict[str, object] | None, at: int, *, dry_run: bool) -> Done:
        """Return what the command did, the subscription as it is from the moment on."""
        after = by_number(self.tx, self.number, self.now)
        notes = ["nothing was kept: this was a rehearsal"] if dry_run else []
        # A rehearsal shows what nobody could look at later.
        shown_at = max(at, self.now) if dry_run else self.now
        shown = row_of(self.history, after, shown_at)
        return Done(before, shown, at, at > self.now, notes)


def begin(  # noqa: PLR0913, PLR0917 - what a subscription begins with
    tx: Transaction,
    history: TermsHistory,
    user_key: int,
    user_id: str,
    plan_id: str,
    at: int,
    now: int,
) -> Action:
    """Begin a subscription of a user there is, and tell of it.

    Raises ConflictError where the user holds a plan at the instant or later, or where the period
    is billed by use; NotFoundError for a plan that is not in force then.
    """
    require_plans(history, at)
    plan = require_plan(history, plan_id, at)
    held = subscriptions.phases_of(tx, [user_key]).get(user_key, [])
    _refuse_overlap(user_id, held, at)
    new = NewSubscription(user_key, user_id, OPERATOR, now, at, FOREVER, plan_id)
    (number,) = subscriptions.add(tx, [new])
    action = Action(tx, history, now, by_number(tx, number, now))
    action.mark(held)
    action.tell("created", at, plan)
    return action


def find(tx: Transaction, wanted: Wanted, now: int) -> Listed:
    """Return the one subscription that is meant; NotFoundError where there is none."""
    if wanted.reference is not None:
        return by_number(tx, _number(wanted.reference), now)
    key = users.key_of(tx, wanted.user_id or "")
    found = list(subscriptions.listed(tx, now, users=[key]))
    if not found:
        raise NotFoundError(
            f"user {wanted.user_id!r} has no subscription",
            "billing subscription create begins one",
        )

    def rank(one: Listed) -> tuple[bool, int]:
        # The one held now, or else the next to begin, or else the newest.
        live = [phase.start for phase in one.phases if phase.end > now]
        return (True, -live[0]) if live else (False, one.row.id)

    return max(found, key=rank)


def _number(reference: str) -> int:
    number = id_named(reference)
    if number is not None:
        return number
    raise NotFoundError(
        f"there is no subscription {quoted(reference)}",
        "name it by its id, or by --user; billing subscription list shows both",
    )


def by_number(tx: Transaction, number: int, now: int) -> Listed:
    """Return the subscription with an id; NotFoundError if there is none."""
    found = list(subscriptions.listed(tx, now, number=number))
    if not found:
        raise NotFoundError(
            f"there is no subscription {number}", "billing subscription list shows the ids"
        )
    return found[0]


def require_plans(history: TermsHistory, at: int) -> None:
    """Raise ConflictError for an instant in a period of the mode ``usage``, which has no plans."""
    period = history.calendar.containing(at)
    if history.mode_of(period.start) == "usage":
        raise ConflictError(
            f"{period.name} is billed by use: a plan would have no effect at {format_instant(at)}",
            "set billingMode to subscription or hybrid, and record it with billing config apply",
        )


def require_plan(history: TermsHistory, plan_id: str, at: int) -> Plan:
    """Return the plan in force at an instant; NotFoundError names those that there are.

    Raises ConflictError for one that settings recorded for later do not have.
    """
    plans = history.at(at).plans
    if plan_id not in plans:
        listed = (
            ", ".join(sorted(plans)) or "none; subscriptionPlans in the config file defines them"
        )
        raise NotFoundError(
            f"there is no plan {plan_id!r} at {format_instant(at)}", f"the plans are: {listed}"
        )
    for version in history.versions:
        if version.since is not None and version.since > at and plan_id not in version.terms.plans:
            raise ConflictError(
                f"the plan {plan_id!r} goes away at {format_instant(version.since)}",
                "choose another, or keep it: billing config apply",
            )
    return plans[plan_id]


def _refuse_overlap(user_id: str, held: Sequence[Phase], at: int) -> None:
    """Raise ConflictError where a phase ends after an instant: two would overlap."""
    found = next((phase for phase in held if phase.end > at), None)
    if found is None:
        return
    end = "" if found.end == FOREVER else f" until {format_instant(found.end)}"
    hint = "billing subscription change changes the plan of that one"
    last = max(phase.end for phase in held)
    if last < FOREVER:
        hint += f"; or begin at {format_instant(last)}"
    raise ConflictError(
        f"user {user_id!r} holds the plan {found.plan_id!r} "
        f"from {format_instant(found.start)}{end} (subscription {found.subscription_id})",
        hint,
    )
