"""The dashboard's charts, and first of all what needs attention."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Final

from billing_cli.pricing.dashboard import OVERDUE, SUSPENDED
from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.money import format_decimal, format_minor
from billing_cli.pricing.quantities import base_per_unit
from billing_cli.pricing.quotas import EXCEEDED, WARNING
from billing_cli.pricing.slots import stretches
from billing_cli.pricing.terms import RESOURCES
from billing_cli.store import dashboard_sums as store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from billing_cli.app import App
    from billing_cli.pricing.dashboard import Account
    from billing_cli.pricing.periods import Calendar
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.dashboard import Only
    from billing_cli.store.unit_of_work import Transaction

DAYS: Final = 30
MONTHS: Final = 12
CRITICAL, NOTICE = "critical", "notice"

FAR_BEHIND_SECONDS: Final = 86_400
"""How old what is metered may be before somebody should look."""

RECENT_SECONDS: Final = 30 * 86_400
"""How long a payment that failed is worth a line."""

_NAMED: Final = 3


def months(tx: Transaction, history: TermsHistory, only: Only, now: int) -> list[dict[str, object]]:
    """Return what was billed and collected in each of the last calendar months, up to now."""
    calendar, currency = history.calendar, history.at(now).currency
    starts = [calendar.month_bounds(now)[0]]
    while len(starts) < MONTHS:
        starts.insert(0, calendar.month_bounds(starts[0] - 1)[0])
    return [
        {
            "month": calendar.local_date(start).isoformat()[:7],
            "billed": format_minor(billed, currency),
            "collected": format_minor(collected, currency),
        }
        for start, (billed, collected) in zip(
            starts, store.by_month(tx, only, [*starts, now + 1]), strict=True
        )
    ]


def days(tx: Transaction, history: TermsHistory, only: Only, now: int) -> list[dict[str, object]]:
    """Return what ran on each of the last local days, up to now, and its cost at list price."""
    calendar = history.calendar
    starts = [calendar.day_start(now)]
    while len(starts) < DAYS:
        starts.insert(0, calendar.day_start(starts[0] - 1))
    if starts[-1] == now:
        del starts[-1]
    cuts = stretches(history, starts[0], now)
    edges = sorted({*starts, *(cut.start for cut in cuts), now})
    found: dict[str, dict[str, Fraction]] = {}
    place = 0
    for start, base in zip(edges, store.between(tx, only, edges), strict=False):
        while cuts[place].stop <= start:
            place += 1
        day = found.setdefault(_date(calendar, start), dict.fromkeys(RESOURCES, Fraction(0)))
        for resource, quantity in zip(RESOURCES, base, strict=True):
            units = Fraction(quantity, base_per_unit(resource, cuts[place].month_seconds))
            day[resource] += units
            price = Fraction(cuts[place].prices[resource])
            day["cost"] = day.get("cost", Fraction(0)) + units * price
    return [
        {
            "date": date,
            "cost": format_decimal(sums["cost"]),
            "core_hours": format_decimal(sums["cpu"]),
            "gb_hours": format_decimal(sums["memory"]),
            "gb_months": format_decimal(sums["storage"]),
        }
        for date, sums in found.items()
    ]


def _date(calendar: Calendar, instant: int) -> str:
    return calendar.local_date(instant).isoformat()


def attention(
    tx: Transaction,
    app: App,
    history: TermsHistory,
    found: Sequence[Account],
    metered: int | None,
) -> list[dict[str, object]]:
    """Return what somebody should look at, the worst first, each with what to do."""
    now = app.clock.now()
    currency = history.at(now).currency
    items = [
        *_of_users(found, history.calendar, currency),
        *_of_everyone(tx, history, now, metered),
    ]
    # The order in which they are found, the critical ones before the others.
    return sorted(items, key=lambda item: item["severity"] != CRITICAL)


def _of_users(
    found: Sequence[Account], calendar: Calendar, currency: str
) -> Iterator[dict[str, object]]:
    suspended = [one for one in found if one.suspended_since is not None]
    suspended.sort(key=lambda one: (one.suspended_since, one.user_id))
    if suspended:
        yield _item(SUSPENDED, CRITICAL, suspended, "suspended", "billing user list --suspended")
    overdue = sorted(
        (one for one in found if one.overdue), key=lambda one: (-one.overdue, one.user_id)
    )
    if overdue:
        total = format_minor(sum(one.overdue for one in overdue), currency)
        oldest = min(one.overdue_since or 0 for one in overdue)
        text = f"overdue with {total} {currency}, since {_date(calendar, oldest)}"
        yield _item(OVERDUE, CRITICAL, overdue, text, "billing dashboard --status overdue")
    for level, severity, text in (
        (EXCEEDED, CRITICAL, "over a limit"),
        (WARNING, NOTICE, "near a limit"),
    ):
        some = sorted(
            (one for one in found if level in one.levels),
            key=lambda one: (-one.most_used, one.user_id),
        )
        if some:
            yield _item(level, severity, some, text, f"billing quota show --fail-on {level}")


def _item(
    kind: str, severity: str, some: Sequence[Account], text: str, command: str
) -> dict[str, object]:
    noun = "user" if len(some) == 1 else "users"
    return {
        "kind": kind,
        "severity": severity,
        "count": len(some),
        "text": f"{len(some):,} {noun} {text}",
        "users": [one.user_id for one in some[:_NAMED]],
        "command": command,
    }


def _of_everyone(
    tx: Transaction, history: TermsHistory, now: int, metered: int | None
) -> Iterator[dict[str, object]]:
    """Yield what is about no user in particular."""
    found = store.troubles(tx, now - RECENT_SECONDS, now)
    if found.ran and (metered is None or now - metered > FAR_BEHIND_SECONDS):
        since = "nothing yet" if metered is None else f"until {format_instant(metered)}"
        yield _note(
            "metering", CRITICAL, 1, f"metering is far behind: {since}", "billing meter run"
        )
    for kind, severity, count, text, command in (
        (
            "payments_failed",
            CRITICAL,
            found.failed,
            "failed or bounced in 30 days",
            "billing payment list",
        ),
        (
            "payments_unmatched",
            NOTICE,
            found.unmatched,
            "could not be matched",
            "billing payment list --unmatched",
        ),
    ):
        if count:
            noun = "payment" if count == 1 else "payments"
            yield _note(kind, severity, count, f"{count:,} {noun} {text}", command)
    if found.rejected:
        noun = "line of events was" if found.rejected == 1 else "lines of events were"
        text = f"{found.rejected:,} {noun} rejected"
        yield _note("rejected_events", NOTICE, found.rejected, text, "billing meter rejected list")
    last = history.calendar.containing(history.calendar.containing(now).start - 1)
    if store.is_unbilled(tx, last.start, last.end, history.mode_of(last.start)):
        text = f"the period {last.name} is over and not closed"
        yield _note("invoices", NOTICE, 1, text, "billing invoice generate --finalize")


def _note(kind: str, severity: str, count: int, text: str, command: str) -> dict[str, object]:
    return {
        "kind": kind,
        "severity": severity,
        "count": count,
        "text": text,
        "users": [],
        "command": command,
    }
