"""What differs between two sides: each thing that is compared, and what explains it."""

from __future__ import annotations

from typing import Any

import pytest

from billing_cli.pricing import stripe_comparison as compare
from billing_cli.pricing.stripe_comparison import (
    Difference,
    OurCustomer,
    OurInvoice,
    OurPayment,
    OurRefund,
    OurSubscription,
)
from billing_cli.pricing.stripe_objects import (
    read_customer,
    read_invoice,
    read_payment_intent,
    read_refund,
    read_subscription,
)
from billing_cli.pricing.timelines import FOREVER

NOW = 1_738_368_000
LATER = NOW + 86_400


def brief(found: Any) -> list[tuple[str, str | None, str | None, bool]]:
    """What differs, here and there, and whether it is explained."""
    return [(one.what, one.here, one.there, one.known is not None) for one in found]


@pytest.mark.parametrize(
    ("ours", "claimed", "said", "expected"),
    [
        (OurCustomer("ann", "cus_1"), None, "ann", []),
        (OurCustomer("ann", "cus_1"), None, "bob", [("user", "ann", "bob", False)]),
        (OurCustomer("ann", "cus_1"), None, None, [("user", "ann", None, False)]),
        (OurCustomer("a" * 501, "cus_1"), None, "a" * 500, []),
        (None, None, None, []),
        (None, None, "zoe", [("user", None, "zoe", False)]),
        (None, OurCustomer("ann", None), "ann", [("not linked yet", None, "cus_1", False)]),
        (None, OurCustomer("ann", "cus_2"), "ann", [("second one", "cus_2", "cus_1", False)]),
    ],
)
def test_customers(
    ours: OurCustomer | None, claimed: OurCustomer | None, said: str | None, expected: list[Any]
) -> None:
    metadata = {} if said is None else {"billing_user": said}
    theirs = read_customer({"object": "customer", "id": "cus_1", "metadata": metadata})
    assert brief(compare.customers(ours, claimed, theirs)) == expected


def subscription(status: str, **more: object) -> Any:
    return read_subscription(
        {"object": "subscription", "id": "sub_1", "status": status, "created": NOW, **more}
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "plan", "expected"),
    [
        (None, subscription("incomplete"), None, []),
        (None, subscription("active"), "pro", [("missing here", None, "active", False)]),
        (("pro", FOREVER), subscription("active"), "pro", []),
        (("pro", FOREVER), subscription("past_due"), "pro", []),
        (("pro", FOREVER), subscription("active"), "max", [("plan", "pro", "max", False)]),
        (("pro", FOREVER), subscription("active"), None, [("plan", "pro", None, False)]),
        (
            ("pro", FOREVER),
            subscription("active", cancel_at=LATER),
            "pro",
            [("end", None, "2025-02-02T00:00:00Z", False)],
        ),
        (("pro", LATER), subscription("active", cancel_at=LATER), "pro", []),
        (
            ("pro", FOREVER),
            subscription("canceled", ended_at=NOW),
            "pro",
            [("status", "active", "canceled", False)],
        ),
        (("pro", NOW), subscription("active"), "pro", [("status", "ended", "active", False)]),
        (("pro", NOW), subscription("canceled", ended_at=NOW), "max", []),
        (
            ("pro", NOW - 1),
            subscription("canceled", ended_at=NOW),
            "pro",
            [("end", "2025-01-31T23:59:59Z", "2025-02-01T00:00:00Z", False)],
        ),
    ],
)
def test_subscriptions(
    ours: tuple[str, int] | None, theirs: Any, plan: str | None, expected: list[Any]
) -> None:
    known = ours and OurSubscription("ann", *ours)
    assert brief(compare.subscriptions(known or None, "ann", theirs, plan, NOW)) == expected


def our_invoice(**more: Any) -> OurInvoice:
    values: dict[str, Any] = {
        "user_id": "ann",
        "number": "INV-1",
        "currency": "USD",
        "status": "sent",
        "total": 500,
        "due": 500,
        "is_copy": False,
        "went_back": None,
    }
    return OurInvoice(**(values | more))


def their_invoice(status: str = "open", total: int = 500, **more: object) -> Any:
    values = {
        "object": "invoice",
        "id": "in_1",
        "number": "INV-1",
        "status": status,
        "currency": "usd",
        "total": total,
        "amount_due": total,
        "amount_remaining": total if status in {"open", "uncollectible"} else 0,
    }
    return read_invoice(values | more)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (None, their_invoice("draft"), []),
        (None, their_invoice(), [("missing here", None, "5.00", False)]),
        (our_invoice(), their_invoice(), []),
        (our_invoice(status="overdue"), their_invoice(), []),
        (our_invoice(status="paid", due=0), their_invoice("paid"), []),
        (our_invoice(status="void", due=0), their_invoice("void"), []),
        (our_invoice(), their_invoice("draft"), [("status", "sent", "draft", False)]),
        (our_invoice(), their_invoice("new"), [("status", "sent", "new", False)]),
        (our_invoice(), their_invoice("paid"), [("status", "sent", "paid", False)]),
        (
            our_invoice(went_back="Dispute lost: fraudulent"),
            their_invoice("paid"),
            [("status", "sent", "paid", True)],
        ),
        # Only what was paid can have come back.
        (
            our_invoice(went_back="Dispute lost"),
            their_invoice("void"),
            [("status", "sent", "void", False)],
        ),
        (
            our_invoice(),
            their_invoice("uncollectible"),
            [("status", "sent", "uncollectible", True)],
        ),
        (
            our_invoice(status="paid", due=0),
            their_invoice("uncollectible"),
            [("status", "paid", "uncollectible", False)],
        ),
        (
            our_invoice(due=200),
            their_invoice(),
            [("remaining", "2.00", "5.00", False)],
        ),
        (
            our_invoice(),
            their_invoice(total=501),
            [("total", "5.00", "5.01", False), ("remaining", "5.00", "5.01", False)],
        ),
        (our_invoice(), their_invoice(number="X"), [("number", "INV-1", "X", False)]),
        (our_invoice(), their_invoice(currency="eur"), [("currency", "USD", "EUR", False)]),
        # Of what Stripe made, its balance is a line here, and its number may be taken.
        (our_invoice(is_copy=True, number="in_1"), their_invoice(), []),
        (
            our_invoice(is_copy=True, total=400, due=400),
            their_invoice(amount_due=400, amount_remaining=400),
            [],
        ),
        (our_invoice(total=400, due=500), their_invoice(), [("total", "4.00", "5.00", False)]),
        # An amount between two of our units is told as Stripe says it.
        (
            our_invoice(currency="ISK", status="paid", due=0),
            their_invoice("paid", currency="isk", total=50_050),
            [("total", "500", "50050 ISK", False)],
        ),
    ],
)
def test_invoices(ours: OurInvoice | None, theirs: Any, expected: list[Any]) -> None:
    assert brief(compare.invoices(ours, "ann", theirs)) == expected


def intent(status: str, amount: int = 500, currency: str = "usd") -> Any:
    received = amount if status == "succeeded" else 0
    return read_payment_intent(
        {
            "object": "payment_intent",
            "id": "pi_1",
            "status": status,
            "amount": amount,
            "amount_received": received,
            "currency": currency,
        }
    )


def our_payment(status: str, amount: int = 500, reason: str | None = None) -> OurPayment:
    return OurPayment("ann", "USD", amount, status, reason)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (None, intent("succeeded"), [("missing here", None, "5.00", False)]),
        (None, intent("processing"), []),
        (our_payment("succeeded"), intent("succeeded"), []),
        (our_payment("unmatched"), intent("succeeded"), []),
        (our_payment("failed"), intent("requires_payment_method"), []),
        (our_payment("failed"), intent("succeeded"), [("status", "failed", "succeeded", False)]),
        (
            our_payment("succeeded"),
            intent("canceled"),
            [("status", "succeeded", "canceled", False)],
        ),
        (
            our_payment("reversed", reason="Dispute lost"),
            intent("succeeded"),
            [("status", "reversed", "succeeded", True)],
        ),
        (our_payment("reversed"), intent("canceled"), []),
        (our_payment("succeeded", 400), intent("succeeded"), [("amount", "4.00", "5.00", False)]),
        (
            our_payment("succeeded"),
            intent("succeeded", 500, "eur"),
            [("amount", "5.00", "5.00", False)],
        ),
    ],
)
def test_payments(ours: OurPayment | None, theirs: Any, expected: list[Any]) -> None:
    assert brief(compare.payments(ours, "ann", theirs)) == expected


def refund(status: str, amount: int = 300, **metadata: str) -> Any:
    return read_refund(
        {
            "object": "refund",
            "id": "re_1",
            "status": status,
            "amount": amount,
            "currency": "usd",
            "metadata": metadata,
        }
    )


@pytest.mark.parametrize(
    ("ours", "payment", "theirs", "expected"),
    [
        (None, "succeeded", refund("succeeded"), [("missing here", None, "3.00", False)]),
        (None, "succeeded", refund("failed"), []),
        (None, "reversed", refund("succeeded"), []),
        (300, "succeeded", refund("pending"), []),
        (300, "succeeded", refund("canceled"), [("status", "3.00", "canceled", False)]),
        (200, "succeeded", refund("succeeded"), [("amount", "2.00", "3.00", True)]),
        (
            200,
            "succeeded",
            refund("succeeded", billing_refund="1"),
            [("amount", "2.00", "3.00", False)],
        ),
        (400, "succeeded", refund("succeeded"), [("amount", "4.00", "3.00", False)]),
    ],
)
def test_refunds(ours: int | None, payment: str, theirs: Any, expected: list[Any]) -> None:
    known = None if ours is None else OurRefund(ours)
    assert brief(compare.refunds(known, our_payment(payment), theirs)) == expected


def test_a_difference_says_whose_it_is_and_why() -> None:
    (found,) = compare.payments(
        our_payment("reversed", reason="Dispute lost"), "ann", intent("succeeded")
    )
    assert found == Difference(
        "payment", "ann", "pi_1", "status", "reversed", "succeeded", "Dispute lost"
    )
