"""The dashboard's users and totals as they are shown: decimal text, RFC 3339 times."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from billing_cli.pricing.dashboard import STATUSES
from billing_cli.pricing.instants import instant_text
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.quotas import QUOTAS
from billing_cli.services.quota_rows import shown_limit, shown_percent, shown_use, unit_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from billing_cli.pricing.dashboard import Account
    from billing_cli.services.dashboard_accounts import Gathered
    from billing_cli.store.dashboard import LastInvoice


def user_row(one: Account, last: LastInvoice | None, currency: str) -> dict[str, object]:
    """Return a user. What is not limited has a use and neither limit nor percentage nor level."""
    row: dict[str, object] = {
        "user_id": one.user_id,
        "plan": one.plan_id,
        "status": one.status,
        "suspended_since": instant_text(one.suspended_since),
    }
    for place, resource in enumerate(QUOTAS):
        use, limit = one.uses[place], one.limits[place]
        unit = "" if resource == "spend" else f"_{unit_of(resource, currency).lower()}"
        name = f"{resource}{unit}"
        # What is spent is worked out only where it is limited.
        known = limit is not None or resource != "spend"
        row[name] = shown_use(resource, use, currency) if known else None
        row[f"{resource}_limit"] = None if limit is None else shown_limit(resource, limit, currency)
        row[f"{resource}_percent"] = None if limit is None else shown_percent(use, limit)
        row[f"{resource}_level"] = None if limit is None else one.levels[place]
    return {
        **row,
        "cost": format_minor(one.cost, currency),
        "projected_cost": format_minor(one.projected, currency),
        "amount_due": format_minor(one.owed, currency),
        "overdue": format_minor(one.overdue, currency),
        "overdue_since": instant_text(one.overdue_since),
        "credit_balance": format_minor(one.credits, currency),
        "currency": currency,
        "last_invoice": last and (last.invoice_number or str(last.id)),
        "last_invoice_status": last and last.status,
        "last_invoice_total": last and format_minor(last.total, last.currency),
    }


def totals(found: Sequence[Account], gathered: Gathered, currency: str) -> dict[str, object]:
    """Return what some accounts come to together, and how many stand how."""
    standing = Counter(status for one in found for status in one.statuses())
    return {
        "users": len(found),
        "all_users": len(gathered.accounts),
        "running_sessions": sum(gathered.running[one.user_key] for one in found),
        **{status: standing[status] for status in STATUSES},
        "cost": format_minor(sum(one.cost for one in found), currency),
        "projected_cost": format_minor(sum(one.projected for one in found), currency),
        "amount_due": format_minor(sum(one.owed for one in found), currency),
        "overdue_amount": format_minor(sum(one.overdue for one in found), currency),
        "credit_balance": format_minor(sum(one.credits for one in found), currency),
        "currency": currency,
    }
