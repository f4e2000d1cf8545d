"""What the ``plan`` commands do: the plans in force, their versions, and who holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from billing_cli.errors import NotFoundError
from billing_cli.pricing.excerpts import quoted
from billing_cli.pricing.instants import format_instant, instant_text
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.timelines import FOREVER
from billing_cli.services import terms
from billing_cli.services.quota_rows import shown_limit
from billing_cli.store import subscriptions

if TYPE_CHECKING:
    from billing_cli.app import App
    from billing_cli.pricing.plans import Plan
    from billing_cli.pricing.terms import Terms, TermsHistory
    from billing_cli.store.subscriptions import HolderRow

BEGINNING = "the beginning"
_SHOWN_HOLDERS = 20


class Version(NamedTuple):
    """A version of a plan ``[since, until)``; None is the beginning, and no end."""

    since: int | None
    until: int | None
    plan: Plan
    terms: Terms


def versions_of(history: TermsHistory, plan_id: str) -> list[Version]:
    """Return the versions of a plan in order of time; settings that leave it alone make none."""
    found: list[Version] = []
    for version in history.versions:
        plan = version.terms.plans.get(plan_id)
        last = found[-1] if found and found[-1].until is None else None
        if last is not None and last.plan == plan:
            continue
        if last is not None:
            found[-1] = last._replace(until=version.since)
        if plan is not None:
            found.append(Version(version.since, None, plan, version.terms))
    return found


def listing(app: App) -> list[dict[str, object]]:
    """Return the plans in force, by their ids, with how many hold each and how many will."""
    now = app.clock.now()
    with app.unit_of_work() as uow, uow.reading() as tx:
        history = terms.read(tx, app.settings).history
        holders = subscriptions.holders_at(tx, now)
        coming = subscriptions.holders_after(tx, now)
    in_force = history.at(now)
    return [
        {
            "id": plan_id,
            **_row(in_force.plans[plan_id], in_force, _mode(history, now)),
            "holders": holders.get(plan_id, 0),
            "coming": coming.get(plan_id, 0),
            "version": len(versions_of(history, plan_id)),
        }
        for plan_id in sorted(in_force.plans)
    ]


def show(app: App, plan_id: str) -> dict[str, object]:
    """Return a plan with all its versions, and the first users who hold it or will."""
    now = app.clock.now()
    with app.unit_of_work() as uow, uow.reading() as tx:
        history = terms.read(tx, app.settings).history
        versions = versions_of(history, plan_id)
        if not versions:
            names = sorted({name for v in history.versions for name in v.terms.plans})
            raise NotFoundError(
                f"there is no plan {quoted(plan_id)}",
                f"the plans are: {', '.join(names) or 'none'}",
            )
        holders = subscriptions.holders_of(tx, plan_id, now, _SHOWN_HOLDERS)
        counts = subscriptions.holders_at(tx, now), subscriptions.holders_after(tx, now)
    shown = next((v for v in reversed(versions) if v.since is None or v.since <= now), versions[0])
    return {
        "id": plan_id,
        **_row(shown.plan, shown.terms, _mode(history, now)),
        "holders": counts[0].get(plan_id, 0),
        "coming": counts[1].get(plan_id, 0),
        "versions": [_version(version, now) for version in versions],
        "users": [_holder(row, now) for row in holders],
    }


def _mode(history: TermsHistory, now: int) -> str:
    return history.mode_of(history.calendar.containing(now).start)


def _version(version: Version, now: int) -> dict[str, object]:
    begun = version.since is None or version.since <= now
    ended = version.until is not None and version.until <= now
    return {
        "since": BEGINNING if version.since is None else format_instant(version.since),
        "until": instant_text(version.until),
        "when": ("past" if ended else "current") if begun else "coming",
        **_row(version.plan, version.terms, version.terms.mode),
    }


def _row(plan: Plan, terms: Terms, mode: str) -> dict[str, object]:
    """Return a version of a plan as it is shown: limits in cores and GB, None for no limit."""
    limits = {
        f"{resource}_limit": None if limit is None else shown_limit(resource, limit, "")
        for resource, limit in plan.limits.items()
    }
    return {
        "name": plan.name,
        "price": format_minor(plan.fee, terms.currency),
        "currency": terms.currency,
        "interval": plan.interval,
        **limits,
        "overage": "charge" if plan.charges_overage(mode) else "none",
        "billing": plan.billing,
    }


def _holder(row: HolderRow, now: int) -> dict[str, object]:
    return {
        "user_id": row.user_id,
        "subscription_id": row.subscription_id,
        "start": format_instant(row.start),
        "end": None if row.end >= FOREVER else format_instant(row.end),
        "when": "current" if row.start <= now else "coming",
    }
