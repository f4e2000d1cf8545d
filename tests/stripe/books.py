"""What both sides hold after a sync, so that two runs can be compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.contents import contents, rows

if TYPE_CHECKING:
    from tests.stripe_server import StripeServer

_QUERIES: Final = {
    "linked": "SELECT kind, local_id, detail IS NULL FROM billing_stripe_links",
    "invoices there": (
        "SELECT i.invoice_number, i.user_id, s.stage, s.status, s.remaining, s.collects, "
        "s.problem, s.stripe_id IS NULL FROM billing_stripe_invoices s "
        "JOIN billing_invoices i ON i.id = s.invoice_id"
    ),
    "requests without an answer": (
        "SELECT target, operation FROM billing_stripe_requests WHERE finished_at IS NULL"
    ),
    "settled": "SELECT invoice_number, user_id, status, amount_paid FROM billing_invoices",
    "payments": (
        "SELECT user_id, amount, refunded, status, method, failure_code, reason, "
        "stripe_payment_intent_id IS NULL FROM billing_payments"
    ),
    "allocations": (
        "SELECT p.user_id, i.invoice_number, a.amount, a.released_at IS NULL "
        "FROM billing_payment_allocations a JOIN billing_payments p ON p.id = a.payment_id "
        "JOIN billing_invoices i ON i.id = a.invoice_id"
    ),
    "refunds": (
        "SELECT p.user_id, r.amount, r.credit_note_id IS NULL FROM billing_refunds r "
        "JOIN billing_payments p ON p.id = r.payment_id"
    ),
    "notes": "SELECT user_id, amount, applied, credited, refunded FROM billing_credit_notes",
    "subscriptions": (
        "SELECT s.user_id, s.source, s.stripe_subscription_id IS NULL, s.stripe_from, "
        "s.canceled_at, p.plan_id, p.start_second, p.end_second FROM billing_subscriptions s "
        "LEFT JOIN billing_subscription_phases p ON p.subscription_id = s.id"
    ),
    "told": "SELECT type, user_id FROM billing_outbox",
}


def here(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """What the books say, but for ids and moments that differ from run to run."""
    found = {name: sorted(rows(url, sql), key=repr) for name, sql in _QUERIES.items()}
    kept = contents(url)
    return found | {name: kept[name] for name in ("lines", "credits", "credit uses", "counters")}


def both(url: str, server: StripeServer) -> dict[str, Any]:
    """What both sides hold.

    Of what is paid it is no matter whether Stripe would collect it, and the items behind lines,
    which say the same as these, have no names of their own.
    """
    there = server.snapshot()
    there.pop("invoiceitems", None)
    for invoice in there["invoices"].values():
        if invoice["status"] == "paid":
            del invoice["auto_advance"]
        for line in invoice["lines"]:
            line.pop("parent", None)
    return {"here": here(url), "there": there}


def difference(found: Any, wanted: Any, where: str = "") -> list[str]:
    """Say where two such states differ."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        keys = sorted({*found, *wanted})
        return [
            said
            for key in keys
            for said in difference(found.get(key), wanted.get(key), f"{where}/{key}")
        ]
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        pairs = enumerate(zip(found, wanted, strict=True))
        return [said for n, (a, b) in pairs for said in difference(a, b, f"{where}/{n}")]
    return [] if found == wanted else [f"{where}: {found!r:.500} and not {wanted!r:.500}"]
