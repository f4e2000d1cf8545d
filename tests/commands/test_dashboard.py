"""``billing dashboard``: what it says agrees with the other commands, at any moment."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.commands.support import event, session, take_in

if TYPE_CHECKING:
    from tests.command_line import Invoke

NOW: Final = "2025-02-28T13:20:07Z"
LATER: Final = "2025-04-20T00:00:00Z"
PLANS: Final = [
    {
        "id": "pro",
        "name": "Pro",
        "price": 29.99,
        "interval": "month",
        "cpu_limit": 8,
        "memory_limit": 16,
    },
    {
        "id": "small",
        "name": "Small",
        "price": 5,
        "interval": "month",
        "cpu_limit": 1,
        "billing": "advance",
    },
    {
        "id": "year",
        "name": "Year",
        "price": 120,
        "interval": "year",
        "cpu_limit": 2,
        "overage": "charge",
    },
]
USERS: Final = ("ann", "bob", "cid", "dan", "eve", "fay", "gus")


def size(cpu: str, memory: str, storage: str = "0") -> dict[str, dict[str, str]]:
    return {"resources": {"cpu": cpu, "memory": memory, "storage": storage}}


def settle(run: Invoke, mode: str) -> None:
    """Users of every kind, whose sessions just run on after NOW, and a price that changes."""
    config: dict[str, Any] = {
        "billingMode": mode,
        "subscriptionPlans": PLANS,
        "timezone": "Europe/Berlin",
        "invoiceDay": 15,
        "taxes": [{"id": "vat", "name": "VAT", "percent": 19, "default": True}],
    }
    run.configure(**config)
    for user, plan, since in (
        ("bob", "pro", "2024-12-01T00:00:00Z"),
        ("cid", "pro", "2025-02-20T10:00:00Z"),
        ("dan", "year", "2024-03-03T08:00:00Z"),
        ("eve", "small", "2025-02-16T00:00:00Z"),
        ("gus", "small", "2025-01-02T00:00:00Z"),
    ):
        run("user", "add", user, at="2024-03-01T00:00:00Z").ok()
        if mode != "usage":
            words = ("subscription", "create", "--user", user, "--plan", plan, "--from", since)
            run(*words, at=since).ok()
    take_in(
        run,
        *session(
            "2025-02-10T00:00:00Z", "2025-02-17T12:00:01Z", "a1", "ann", **size("2", "4Gi", "9Gi")
        ),
        event("created", "2025-02-21T03:00:00Z", "a2", "ann", **size("500m", "1536Mi", "50Gi")),
        event("created", "2025-02-01T00:00:00Z", "b1", "bob", **size("6", "4Gi")),
        *session("2025-02-18T00:00:00Z", "2025-02-19T00:30:00Z", "b2", "bob", **size("4", "16Gi")),
        event("created", "2025-02-27T00:00:00Z", "b3", "bob", **size("3", "1Gi")),
        *session("2025-02-16T00:00:00Z", "2025-02-16T07:00:00Z", "c1", "cid", **size("1", "1Gi")),
        event("created", "2025-02-22T00:00:00Z", "c2", "cid", **size("9", "1Gi")),
        event("created", "2025-02-15T11:11:11Z", "d1", "dan", **size("3", "2Gi", "1Gi")),
        event("created", "2025-02-17T00:00:00Z", "f1", "fay", **size("7", "8Gi", "100Gi")),
        at=NOW,
    )
    run(
        "quota",
        "set",
        "fay",
        "--spend-limit",
        "20.00",
        "--cpu-limit",
        "8",
        at="2025-02-17T00:00:00Z",
    ).ok()
    run("quota", "set", "bob", "--memory-limit", "none", at="2025-02-18T00:00:00Z").ok()
    config["computeRates"] = {"cpu_per_core_hour": "0.0613"}
    run.configure(**config)
    run("config", "apply", "--from", "2025-02-24T12:34:56Z", at=NOW).ok()


def look(run: Invoke, *arguments: str, at: str = NOW) -> Any:
    return run("dashboard", "-o", "json", *arguments, at=at).ok().json()


@pytest.mark.parametrize("mode", ["usage", "hybrid", "subscription"])
def test_it_agrees_with_previews_quotas_and_usage(invoke: Invoke, mode: str) -> None:
    settle(invoke, mode)
    board = look(invoke, "--sort", "user")
    assert [row["user_id"] for row in board["users"]] == list(USERS)
    costs = []
    for row in board["users"]:
        shown = (
            invoke("invoice", "preview", "--user", row["user_id"], "-o", "json", at=NOW).ok().json()
        )
        expected = (shown["subtotal"], shown["projected_subtotal"])
        assert (row["cost"], row["projected_cost"]) == expected, row["user_id"]
        costs.append(expected)
    # Asked for by name, users are looked up in another way.
    named = [word for user in USERS for word in ("--user", user)]
    assert look(invoke, "--sort", "user", *named)["users"] == board["users"]
    totals = board["totals"]
    assert [totals["cost"], totals["projected_cost"]] == [
        str(sum(map(Decimal, some))) for some in zip(*costs, strict=True)
    ]
    # What this is to compare is there: not everything costs nothing, and much is still to come.
    charged = {"usage": 5, "hybrid": 6, "subscription": 4}[mode]
    assert sum(Decimal(one) > 0 for one, _ in costs) == charged
    assert sum(Decimal(later) > Decimal(one) for one, later in costs) >= charged - 1
    quotas = invoke("quota", "show", "-o", "json", at=NOW).ok().json()
    assert len(quotas) >= 2
    rows = {row["user_id"]: row for row in board["users"]}
    names = {"cpu": "cpu_cores", "memory": "memory_gb", "storage": "storage_gb", "spend": "spend"}
    for quota in quotas:
        resource, row = quota["resource_type"], rows[quota["user_id"]]
        found = [
            row[names[resource]],
            *(row[f"{resource}_{what}"] for what in ("limit", "percent", "level")),
        ]
        assert found == [quota["use"], quota["limit"], quota["percent"], quota["level"]]
    limited = [row for row in rows.values() for name in names if row[f"{name}_limit"] is not None]
    assert len(limited) == len(quotas)


def test_days_are_those_of_usage(invoke: Invoke) -> None:
    settle(invoke, "usage")
    invoke("meter", "run", at=NOW).ok()
    days = {one["date"]: one for one in look(invoke)["days"]}
    assert len(days) == 30
    assert list(days)[-1] == "2025-02-28"
    sums: dict[str, dict[str, Decimal]] = {}
    span = ("--from", min(days), "--to", max(days))
    for row in invoke("usage", "--by", "day", *span, "-o", "json", at=NOW).ok().json():
        day = sums.setdefault(row["date"], {})
        for key, value in ((row["unit"], row["quantity"]), ("cost", row["total_cost"])):
            day[key] = day.get(key, Decimal(0)) + Decimal(value)
    assert sums.keys() == {date for date, one in days.items() if Decimal(one["cost"])}
    for date, expected in sums.items():
        for key, name in (("cost", "cost"), ("core-hours", "core_hours"), ("gb-hours", "gb_hours")):
            assert abs(Decimal(days[date][name]) - expected[key]) < Decimal("0.000001")


def test_the_past_stays_as_it_was(invoke: Invoke) -> None:
    """Invoices, payments, credits and suspensions of later do not change what was true."""
    settle(invoke, "hybrid")
    first = "2025-03-16T00:00:00Z"
    invoke("invoice", "generate", "--finalize", at=first).ok()
    invoke("invoice", "pay", "INV-2025-000001", "--amount", "3.00", at="2025-03-18T00:00:00Z").ok()
    invoke(
        "credits",
        "add",
        "--user",
        "bob",
        "--amount",
        "7.00",
        "--reason",
        "x",
        at="2025-03-19T00:00:00Z",
    ).ok()
    moments = ("2025-03-17T00:00:00Z", "2025-03-20T00:00:00Z", "2025-03-31T12:00:00Z")
    before = [look(invoke, at=moment) for moment in moments]
    assert before[0]["users"][0]["last_invoice_status"] == "sent"
    assert before[2]["users"][0]["last_invoice_status"] == "overdue"
    assert before[1]["totals"]["credit_balance"] == "7.00"
    assert before[0]["totals"]["overdue"] == 0 < before[2]["totals"]["overdue"]
    collected = [one["months"][-1]["collected"] for one in before]
    assert collected == ["0.00", "3.00", "3.00"]
    late = "2025-04-02T00:00:00Z"
    invoke("invoice", "pay", "INV-2025-000001", at=late).ok()
    invoke("payment", "reverse", "1", "--reason", "bounced", at=late).ok()
    invoke("invoice", "void", "INV-2025-000002", "--reason", "wrong", at=late).ok()
    invoke("credits", "void", "1", "--reason", "wrong", at=late).ok()
    invoke("quota", "suspend", "ann", "--reason", "x", at=late).ok()
    for moment, expected in zip(moments, before, strict=True):
        found = look(invoke, at=moment)
        assert found == expected, moment
    after = look(invoke, at=LATER)
    assert after["totals"]["suspended"] == 1
    assert after["totals"]["credit_balance"] == "0.00"
    # A row of what others say about the account now.
    for row in after["users"]:
        shown = invoke("user", "show", row["user_id"], "-o", "json", at=LATER).ok().json()
        assert (row["amount_due"], row["credit_balance"], row["plan"], row["suspended_since"]) == (
            shown["owed"],
            shown["credit_balance"],
            shown["plan"],
            shown["suspended_since"],
        )
    months = {one["month"]: (one["billed"], one["collected"]) for one in after["months"]}
    assert months["2025-04"][0].startswith("-")
    assert len(months) == 12
    kinds = {one["kind"]: one for one in after["attention"]}
    assert {"suspended", "overdue", "payments_failed", "metering", "invoices"} <= kinds.keys()
    severities = [one["severity"] for one in after["attention"]]
    assert severities == sorted(severities)


def test_filters_orders_and_formats(invoke: Invoke) -> None:
    settle(invoke, "hybrid")
    invoke("quota", "suspend", "ann", "--reason", "x", at=NOW).ok()
    invoke("meter", "ingest", "-", stdin="nonsense\n", at=NOW)

    def names(*arguments: str) -> list[str]:
        text = invoke("dashboard", "-o", "csv", *arguments, at=NOW).ok().stdout
        return [row["user_id"] for row in csv.DictReader(io.StringIO(text))]

    assert names("--status", "suspended") == ["ann"]
    assert names("--plan", "pro", "--sort", "user") == ["bob", "cid"]
    assert names("--status", "exceeded", "--sort", "user") == ["bob", "cid", "dan", "fay"]
    assert names("--user", "fay", "--user", "eve", "--sort", "user") == ["eve", "fay"]
    assert names("--sort", "cost", "--limit", "2")[0] == names("--sort", "cost")[0]
    assert names("--status", "active", "--user", "ann") == []
    board = look(invoke, "--plan", "pro", "--limit", "1")
    assert board["totals"]["users"] == 2
    assert board["totals"]["all_users"] == 7
    assert [len(board[key]) for key in ("users", "days", "months")] == [1, 30, 12]
    assert "rejected_events" in {one["kind"] for one in board["attention"]}
    assert sum(Decimal(one["core_hours"]) for one in board["days"]) < sum(
        Decimal(one["core_hours"]) for one in look(invoke)["days"]
    )
    few = invoke("dashboard", "-o", "jsonl", "--limit", "3", at=NOW).ok()
    assert len(list(map(json.loads, few.stdout.splitlines()))) == 3
    assert "4 more users are not shown" in few.stderr
    assert "6 more users are" in invoke("dashboard", "--limit", "1", at=NOW).ok().stderr
    assert "1 more user is not" in invoke("dashboard", "--limit", "6", at=NOW).ok().stderr
    plain = invoke("dashboard", at=NOW).ok().stdout
    assert plain.startswith("billing  2025-02-28 13:20:07 UTC  period 2025-02, ")
    assert "! 1 user suspended: ann" in plain
    assert "Revenue by month" in plain
    assert "\x1b" not in plain
    bob = next(line for line in plain.splitlines() if line.startswith("bob "))
    assert "##### 112%" in bob
    assert "5.0 GB" in bob


@pytest.mark.parametrize(
    ("zone", "sent", "due"),
    [
        ("Europe/Berlin", "2026-11-01T23:30:00Z", "2026-11-16"),
        ("America/New_York", "2026-11-02T02:30:00Z", "2026-11-15"),
    ],
)
def test_dates_are_those_of_the_time_zone(
    sqlite_invoke: Invoke, zone: str, sent: str, due: str
) -> None:
    """In UTC the period begins a day earlier in the east, and invoices fall due on another day."""
    sqlite_invoke.configure(timezone=zone)
    ran = session("2026-10-05T00:00:00Z", "2026-10-06T00:00:00Z")
    take_in(sqlite_invoke, *ran, at="2026-10-07T00:00:00Z")
    sqlite_invoke("invoice", "generate", "--finalize", at=sent).ok()
    now = "2026-11-28T00:00:00Z"
    plain = sqlite_invoke("dashboard", at=now).ok().stdout
    assert "period 2026-11, 2026-11-01 to 2026-12-01  usage, USD" in plain
    assert f"since {due}: ann" in plain
    board = look(sqlite_invoke, at=now)
    assert (board["start_date"], board["end_date"]) == ("2026-11-01", "2026-12-01")


def test_what_cannot_be_asked(sqlite_invoke: Invoke) -> None:
    for arguments, code, text in (
        (["--watch"], 2, "needs a terminal"),
        (["--watch", "-o", "json"], 2, "leave out -o"),
        (["7"], 2, "SECONDS goes with --watch"),
        (["--status", "odd"], 2, "suspended, overdue, exceeded, warning, active"),
        (["--sort", "odd"], 2, "attention, user, plan"),
        (["--user", "odd"], 3, "no user"),
        (["--plan", "odd"], 3, "no plan"),
        (["--limit", "0"], 2, "greater than or equal to 1"),
    ):
        result = sqlite_invoke("dashboard", *arguments, at=NOW)
        assert result.exit_code == code, arguments
        assert text in result.stderr
    empty = sqlite_invoke("dashboard", at=NOW).ok()
    assert "Nothing needs attention." in empty.stdout
    assert "no users" in empty.stderr
    assert look(sqlite_invoke)["users"] == []
