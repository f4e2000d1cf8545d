"""Quotas as they are shown and told of: in cores, GB and the currency, as decimal text."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from billing_cli.pricing.instants import format_instant, instant_text
from billing_cli.pricing.money import format_decimal, format_minor, to_minor
from billing_cli.pricing.quotas import SPEND, WARNING, level_of, percent_of
from billing_cli.store.outbox import Notice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from billing_cli.pricing.quota_sweep import Balance
    from billing_cli.pricing.quotas import Amount, Crossing, Standing
    from billing_cli.pricing.terms import TermsHistory
    from billing_cli.store.quota_selection import Candidate

_PER_UNIT = {"cpu": 1_000, "memory": 1_024, "storage": 1_024}
_UNITS = {"cpu": "cores", "memory": "GB", "storage": "GB"}


def unit_of(resource: str, currency: str) -> str:
    """Return in what a limit is shown."""
    return _UNITS.get(resource, currency)


def shown_limit(resource: str, limit: int, currency: str) -> str:
    """Return a limit in its unit."""
    return format_minor(limit, currency) if resource == SPEND else shown_use(resource, limit, "")


def shown_use(resource: str, use: Amount, currency: str) -> str:
    """Return a use in its unit; what is spent is not rounded to the minor unit."""
    per_unit = to_minor(1, currency) if resource == SPEND else _PER_UNIT[resource]
    return format_decimal(Fraction(use) / per_unit)


def shown_percent(use: Amount, limit: int) -> str | None:
    """Return the percentage that is used, None of a limit of 0."""
    percent = percent_of(use, limit)
    return None if percent is None else format_decimal(percent)


def crossing_notice(
    user: Candidate, resource: str, crossing: Crossing, history: TermsHistory
) -> Notice:
    """Return what is to be told of a level that was reached."""
    currency = history.latest.currency
    kind = "warning" if crossing.level == WARNING else "exceeded"
    data = {
        "user_id": user.user_id,
        "resource_type": resource,
        "level": crossing.level,
        "limit": shown_limit(resource, crossing.limit, currency),
        "use": shown_use(resource, crossing.use, currency),
        "unit": unit_of(resource, currency),
        "percent": shown_percent(crossing.use, crossing.limit),
        "since": format_instant(crossing.at),
    }
    identity = f"quota/{crossing.level}/{user.user_key}/{resource}/{crossing.at}"
    return Notice(f"billing.quota.{kind}", identity, user.user_key, user.user_id, crossing.at, data)


def rows_of(  # noqa: PLR0913, PLR0917 - what a row is made of
    user_id: str,
    balances: Mapping[str, Balance],
    standings: Mapping[str, Standing],
    suspended: int | None,
    threshold: int,
    currency: str,
) -> list[dict[str, object]]:
    """Return a row for each limit of a user; for one who is only suspended, one without."""
    since_suspended = instant_text(suspended)
    rows: list[dict[str, object]] = []
    for resource, (use, limit) in balances.items():
        standing = standings.get(resource)
        rows.append(
            {
                "user_id": user_id,
                "resource_type": resource,
                "limit": shown_limit(resource, limit, currency),
                "use": shown_use(resource, use, currency),
                "unit": unit_of(resource, currency),
                "percent": shown_percent(use, limit),
                "level": level_of(use, limit, threshold),
                "since": None if standing is None else format_instant(standing.since),
                "suspended_since": since_suspended,
            }
        )
    if not rows and suspended is not None:
        empty = dict.fromkeys(("resource_type", "limit", "use", "unit", "percent"))
        rows.append(
            {
                "user_id": user_id,
                **empty,
                "level": "ok",
                "since": None,
                "suspended_since": since_suspended,
            }
        )
    return rows
