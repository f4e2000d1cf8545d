"""The settings that decide money, as the canonical document that the database keeps versions of."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from billing_cli.settings.values import canonical_decimal

if TYPE_CHECKING:
    from pydantic import BaseModel

    from billing_cli.settings.model import ConfigValues, Plan


def money_document(values: ConfigValues) -> dict[str, object]:
    """Return the document: keys of the config file, decimals as plain texts, defaults filled in.

    Plans and taxes are in the order of their ids, since their order in the file charges nobody
    anything. What has no default of its own stays ``None``.
    """
    return {
        "billingMode": values.billing_mode,
        "computeRates": _plain(values.compute_rates),
        "currency": values.currency,
        "timezone": values.timezone,
        "invoiceDay": values.invoice_day,
        "heartbeatTimeoutMinutes": values.heartbeat_timeout_minutes,
        "taxes": [_plain(tax) for tax in sorted(values.taxes, key=lambda tax: tax.id)],
        "subscriptionPlans": [
            _plan(plan) for plan in sorted(values.subscription_plans, key=lambda plan: plan.id)
        ],
    }


def _plan(plan: Plan) -> dict[str, object]:
    return _plain(plan) | {"billing": plan.billed}


def _plain(part: BaseModel) -> dict[str, object]:
    """Return a flat model's members with decimals as text."""
    return {
        key: canonical_decimal(value) if isinstance(value, Decimal) else value
        for key, value in part.model_dump(by_alias=True).items()
    }
