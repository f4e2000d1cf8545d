"""``billing invoice``: plans, overage, corrections and previews, in the modes that have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.commands.support import event, lines_of, made, session, take_in, totals

if TYPE_CHECKING:
    from tests.command_line import Invoke

JAN = "2025-01-01T00:00:00Z"
FEB = "2025-02-01T06:00:00Z"
MARCH = "2025-03-01T06:00:00Z"

# As in sample_config.json, which is the plugin's own example.
PLANS: list[dict[str, Any]] = [
    {"id": "free", "name": "Free Tier", "price": 0, "interval": "month"}
    | {"cpu_limit": 2, "memory_limit": 4, "storage_limit": 10},
    {"id": "pro", "name": "Professional", "price": "29.99", "interval": "month"}
    | {"cpu_limit": 8, "memory_limit": 16, "storage_limit": 100},
    {"id": "enterprise", "name": "Enterprise", "price": "99.99", "interval": "month"}
    | {"cpu_limit": 32, "memory_limit": 64, "storage_limit": 500},
    {"id": "club", "name": "Club", "price": "365", "interval": "year"},
]
CHARGING = [plan | {"overage": "charge"} for plan in PLANS]
TEN_CORES = session(
    "2025-01-10T00:00:00Z",
    "2025-01-10T05:00:00Z",
    resources={"cpu": "10", "memory": "8Gi", "storage": "0"},
)


def subscribe(
    run: Invoke, plan: str, since: str = JAN, *, at: str = JAN, user: str = "ann"
) -> None:
    run("subscription", "create", "--user", user, "--plan", plan, "--from", since, at=at).ok()


def test_the_pro_plan_charges_two_core_hours_an_hour_for_ten_cores(invoke: Invoke) -> None:
    """The plugin's own example: 29.99 with 8 cores, 2 of 10 cores at 0.05 an hour."""
    invoke.configure(billingMode="hybrid", subscriptionPlans=PLANS)
    subscribe(invoke, "pro")
    take_in(invoke, *TEN_CORES, at=FEB)
    assert made(invoke, "--finalize") == ["30.49"]
    assert lines_of(invoke, "1") == [
        ("Professional, 2025-01-01 to 2025-01-31", "1.00", "29.99", "29.99"),
        ("CPU overage", "10.00", "0.05", "0.50"),
    ]


@pytest.mark.parametrize(
    ("mode", "plans", "total"),
    [
        ("subscription", PLANS, "29.99"),
        ("subscription", CHARGING, "30.49"),
        ("hybrid", [plan | {"overage": "none"} for plan in PLANS], "29.99"),
        ("usage", PLANS, "2.90"),
    ],
)
def test_overage_is_charged_where_mode_or_plan_say_so(
    sqlite_invoke: Invoke, mode: str, plans: list[dict[str, Any]], total: str
) -> None:
    sqlite_invoke.configure(billingMode=mode, subscriptionPlans=plans)
    if mode != "usage":
        subscribe(sqlite_invoke, "pro")
    take_in(sqlite_invoke, *TEN_CORES, at=FEB)
    assert made(sqlite_invoke, "--finalize") == [total]


def test_who_holds_no_plan_pays_by_use_in_hybrid_and_nothing_in_subscription(
    sqlite_invoke: Invoke,
) -> None:
    sqlite_invoke.configure(billingMode="hybrid", subscriptionPlans=PLANS)
    take_in(sqlite_invoke, *TEN_CORES, at=FEB)
    assert made(sqlite_invoke, "--dry-run") == ["2.90"]
    sqlite_invoke.configure(billingMode="subscription", subscriptionPlans=PLANS)
    sqlite_invoke("config", "apply", "--from", JAN, at=FEB).ok()
    assert made(sqlite_invoke, "--dry-run") == []


def test_a_new_user_gets_the_plan_free(sqlite_invoke: Invoke) -> None:
    sqlite_invoke.configure(billingMode="hybrid", subscriptionPlans=PLANS)
    created = (
        '{"event": "user.created", "timestamp": "2025-01-09T00:00:00Z", "id": "u", '
        '"data": {"user": "ann"}}'
    )
    take_in(sqlite_invoke, *TEN_CORES, created, at=FEB)
    # 8 of 10 cores are above the limit, and 4 of 8 GB.
    assert made(sqlite_invoke, "--finalize") == ["2.20"]
    (held,) = sqlite_invoke("subscription", "list", "-o", "json", at=FEB).ok().json()
    assert [held["user_id"], held["plan_id"], held["status"]] == ["ann", "free", "active"]


def test_an_upgrade_divides_the_month_and_moves_the_limit(invoke: Invoke) -> None:
    invoke.configure(billingMode="hybrid", subscriptionPlans=PLANS)
    subscribe(invoke, "free")
    take_in(invoke, *TEN_CORES, at=FEB)
    moment = "2025-01-10T03:00:00Z"
    invoke("subscription", "change", "--user", "ann", "--plan", "pro", at=moment).ok()
    made(invoke, "--finalize")
    assert lines_of(invoke, "1") == [
        # 29.99 less what 219 of 744 hours would have cost.
        ("Professional, 2025-01-10 to 2025-01-31", "0.7056451613", "29.99", "21.16"),
        # Three hours 8 cores above the limit, two hours 2 cores.
        ("CPU overage", "28.00", "0.05", "1.40"),
        ("Memory overage", "12.00", "0.01", "0.12"),
    ]


def test_a_plan_that_began_earlier_corrects_what_was_billed(invoke: Invoke) -> None:
    invoke.configure(billingMode="hybrid", subscriptionPlans=PLANS)
    take_in(invoke, *TEN_CORES, at=FEB)
    assert made(invoke, "--finalize") == ["2.90"]
    subscribe(invoke, "pro", "2025-01-01T00:00:00Z", at=FEB)
    made(invoke, "--finalize", at=MARCH)
    assert lines_of(invoke, "2") == [
        ("Professional, 2025-02-01 to 2025-02-28", "1.00", "29.99", "29.99"),
        ("Professional, correction for 2025-01", "1.00", "29.99", "29.99"),
        ("CPU, correction for 2025-01", "-50.00", "0.05", "-2.50"),
        ("Memory, correction for 2025-01", "-40.00", "0.01", "-0.40"),
        ("CPU overage, correction for 2025-01", "10.00", "0.05", "0.50"),
    ]


def test_a_year_is_paid_in_advance_and_what_is_unused_comes_back(invoke: Invoke) -> None:
    invoke.configure(billingMode="subscription", subscriptionPlans=PLANS)
    subscribe(invoke, "club", "2025-01-11T00:00:00Z", at="2025-01-11T00:00:00Z")
    assert made(invoke, "--finalize") == ["365.00"]
    assert lines_of(invoke, "1") == [("Club, 2025-01-11 to 2026-01-10", "1.00", "365", "365.00")]
    assert made(invoke, "--finalize", at=MARCH) == []
    moment = "2025-03-12T00:00:00Z"
    invoke("subscription", "cancel", "--user", "ann", "--now", at=moment).ok()
    # 60 of 365 days are used.
    assert made(invoke, "--finalize", at="2025-04-01T06:00:00Z") == ["0.00"]
    assert lines_of(invoke, "2")[0] == (
        "Club, unused from 2025-03-12 on",
        "-0.8356164384",
        "365",
        "-305.00",
    )


def test_voiding_holds_a_fee_back_until_its_period_is_generated_again(invoke: Invoke) -> None:
    invoke.configure(billingMode="subscription", subscriptionPlans=PLANS)
    subscribe(invoke, "pro")
    assert made(invoke, "--finalize") == ["29.99"]
    invoke("invoice", "void", "1", "--reason", "wrong name", at=FEB).ok()
    assert made(invoke, "--finalize", at=MARCH) == ["29.99"]
    assert lines_of(invoke, "2") == [
        ("Professional, 2025-02-01 to 2025-02-28", "1.00", "29.99", "29.99")
    ]
    assert made(invoke, "--finalize", "--period", "2025-01", at=MARCH) == ["29.99"]
    assert totals(invoke, "--period", "2025-01")[-1] == (
        "2025-01",
        "INV-2025-000003",
        "29.99",
        "sent",
    )


def test_a_custom_range_takes_its_part_of_fee_and_overage(invoke: Invoke) -> None:
    """The plugin's own example of a manual invoice: both dates are included."""
    invoke.configure(billingMode="hybrid", subscriptionPlans=PLANS)
    subscribe(invoke, "pro")
    take_in(invoke, *TEN_CORES, at=FEB)
    dates = ("--user", "ann", "--from", "2025-01-01", "--to", "2025-01-31")
    assert made(invoke, *dates, "--finalize") == ["30.49"]
    assert made(invoke, "--finalize") == []


def test_a_draft_says_what_has_accrued_and_a_preview_what_will(sqlite_invoke: Invoke) -> None:
    sqlite_invoke.configure(billingMode="hybrid", subscriptionPlans=PLANS)
    subscribe(sqlite_invoke, "pro")
    opened = event("created", "2025-01-10T00:00:00Z", resources={"cpu": "10", "memory": "1Gi"})
    now = "2025-01-11T00:00:00Z"
    take_in(sqlite_invoke, opened, at=now)
    drafts = made(sqlite_invoke, "--period", "2025-01", at=now)
    shown = sqlite_invoke("invoice", "preview", "--user", "ann", "-o", "json", at=now).ok().json()
    # 10 of 31 days, and 24 hours of 2 cores; then 22 days of them.
    assert drafts == [shown["total"]] == ["12.07"]
    assert [line["amount"] for line in shown["projected_lines"]] == ["29.99", "52.80"]
    assert shown["projected_total"] == "82.79"
    later = sqlite_invoke(
        "invoice", "preview", "--user", "ann", "--at", "2025-01-20T00:00:00Z", "-o", "json"
    ).json()
    assert (later["projected_total"], later["as_of"]) == ("82.79", "2025-01-20T00:00:00Z")


def test_manual_lines_stay_when_a_draft_is_refreshed(invoke: Invoke) -> None:
    invoke.configure(billingMode="hybrid", subscriptionPlans=PLANS)
    subscribe(invoke, "pro")
    made(invoke)
    lines = ("--add-line", "Setup [red]", "25.00", "--add-line", "=cmd()", "-5.00")
    shown = (
        invoke(
            "invoice", "edit", "1", *lines, "--memo", "Order 1", "--due-date", "2025-02-20",
            "-o", "json", at=FEB,
        )
        .ok()
        .json()
    )  # fmt: skip
    assert [shown["total"], shown["memo"], shown["due_date"]] == [
        "49.99",
        "Order 1",
        "2025-02-20T23:59:59Z",
    ]
    assert made(invoke, at=FEB) == ["49.99"]
    changes = ("--change-line", "2", "Setup", "20.00", "--remove-line", "3")
    invoke("invoice", "edit", "1", *changes, at=FEB).ok()
    (sent,) = invoke("invoice", "send", "1", "-o", "json", at=FEB).ok().json()
    assert [sent["total"], sent["status"], sent["due_date"]] == [
        "49.99",
        "sent",
        "2025-02-20T23:59:59Z",
    ]
    refused = invoke("invoice", "edit", "1", "--memo", "late", at=FEB)
    assert (refused.exit_code, refused.stderr.splitlines()[0]) == (
        4,
        "error: invoice INV-2025-000001 is sent and cannot be edited",
    )


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        ([], 2, "there is nothing to change"),
        (["--add-line", "Setup"], 2, "--add-line needs a description and an amount"),
        (["--add-line", "Setup", "much"], 2, "'much' is not an amount"),
        (["--add-line", "Setup", "1.005"], 2, "'1.005' is finer than"),
        (["--add-line", " ", "1"], 2, "a line's description has 1 to 200 characters"),
        (["--add-line", "Setup", "0"], 2, "a line of nothing says nothing"),
        (
            ["--add-line", "a", "9" * 13, "--add-line", "b", "-2.00"],
            2,
            "the lines added by hand come to too large an amount",
        ),
        (["--remove-line", "7"], 3, "draft 1 has no line 7"),
        (["--remove-line", "1"], 4, "line 1 of draft 1 was not added by hand"),
        (["--change-line", "x", "Setup", "1"], 2, "--change-line: 'x' is not the number"),
        (["--due-date", "tomorrow"], 2, "--due-date: "),
    ],
)
def test_edits_that_are_refused(
    sqlite_invoke: Invoke, arguments: list[str], code: int, error: str
) -> None:
    sqlite_invoke.configure(billingMode="hybrid", subscriptionPlans=PLANS)
    subscribe(sqlite_invoke, "pro")
    made(sqlite_invoke)
    result = sqlite_invoke("invoice", "edit", "1", *arguments, at=FEB)
    assert result.exit_code == code
    assert result.stderr.startswith(f"error: {error}")


def test_a_user_has_a_tax_of_their_own(invoke: Invoke) -> None:
    taxes = [
        {"id": "vat", "name": "VAT", "percent": 20, "default": True},
        {"id": "low", "name": "Reduced", "percent": "5.5"},
    ]
    invoke.configure(billingMode="subscription", subscriptionPlans=PLANS, taxes=taxes)
    for user in ("ann", "bob", "eve"):
        subscribe(invoke, "pro", user=user)
    invoke("user", "edit", "bob", "--tax", "low", at=JAN).ok()
    invoke("user", "edit", "eve", "--tax", "none", at=JAN).ok()
    assert made(invoke, "--finalize") == ["35.99", "31.64", "29.99"]


def test_drafts_of_edited_invoices_can_vanish(sqlite_invoke: Invoke) -> None:
    sqlite_invoke.configure(billingMode="hybrid", subscriptionPlans=PLANS)
    subscribe(sqlite_invoke, "pro")
    made(sqlite_invoke)
    sqlite_invoke("subscription", "cancel", "--user", "ann", "--now", at=JAN).ok()
    assert made(sqlite_invoke) == []
    assert totals(sqlite_invoke) == []


@pytest.mark.parametrize("paid", [True, False])
def test_an_account_suspended_for_an_overdue_invoice_goes_on_at_once(
    sqlite_invoke: Invoke,
    paid: bool,
) -> None:
    sqlite_invoke.configure(
        billingMode="subscription",
        subscriptionPlans=PLANS,
        autoSuspendOnOverage=True,
        gracePeriodDays=3,
    )
    subscribe(sqlite_invoke, "pro")
    made(sqlite_invoke, "--finalize")
    sqlite_invoke("quota", "check", at=MARCH).ok()
    sqlite_invoke("invoice", "pay", "1", "--amount", "1.00", at=MARCH).ok()
    way = ("pay", "1") if paid else ("void", "1", "--reason", "a gift")
    sqlite_invoke("invoice", *way, at=MARCH).ok()
    rows = sqlite_invoke("events", "list", "-o", "json").ok().json()
    told = [(row["type"], row["occurred_at"]) for row in rows if "account" in row["type"]]
    # Due on 15 February, and three days of grace.
    assert told == [
        ("billing.account.suspended", "2025-02-18T06:00:00Z"),
        ("billing.account.resumed", MARCH),
    ]


def test_no_subscription_begins_before_anything_can_be_metered(sqlite_invoke: Invoke) -> None:
    sqlite_invoke.configure(billingMode="hybrid", subscriptionPlans=PLANS)
    begun = ("subscription", "create", "--user", "ann", "--plan", "pro", "--from")
    refused = sqlite_invoke(*begun, "1969-12-31T23:59:59Z", at=JAN)
    assert (refused.exit_code, refused.stderr.splitlines()[0]) == (
        2,
        "error: --from: 1969-12-31T23:59:59Z lies before 1970, when nothing was metered",
    )
