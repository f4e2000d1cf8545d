"""All that the stand-in serves: each of these modules registers its handlers when imported."""

from tests.stripe_server import (
    catalog,
    credit_notes,
    customers,
    events,
    intents,
    invoice_lines,
    invoice_payments,
    invoices,
    refunds,
    sessions,
    subscription_changes,
    subscriptions,
)
from tests.stripe_server.engine import HANDLERS

MODULES = (
    catalog,
    credit_notes,
    customers,
    events,
    intents,
    invoice_lines,
    invoice_payments,
    invoices,
    refunds,
    sessions,
    subscription_changes,
    subscriptions,
)

__all__ = ["HANDLERS", "MODULES"]
