"""``billing plan``: the plans in force, their versions, and who holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.command_line import Invoke

FREE = {"id": "free", "name": "Free", "price": "0", "interval": "month", "cpu_limit": 2}
PRO = {"id": "pro", "name": "Pro", "price": "29.99", "interval": "month", "memory_limit": 16}
PLANS = {"billingMode": "hybrid", "subscriptionPlans": [PRO, FREE]}
JAN, JAN_11 = "2025-01-01T00:00:00Z", "2025-01-11T00:00:00Z"
FEB = "2025-02-01T00:00:00Z"


@pytest.fixture
def planned(invoke: Invoke) -> Invoke:
    """Plans that ann and bob hold, bob only until February."""
    invoke.configure(**PLANS)
    for user in ("bob", "ann"):
        invoke("subscription", "create", "--user", user, "--plan", "pro", at=JAN).ok()
    invoke("subscription", "change", "--user", "bob", "--plan", "free", at=JAN_11).ok()
    return invoke


def test_plans_are_listed_with_their_holders(planned: Invoke) -> None:
    assert planned("plan", "list", at=JAN_11).ok().stdout == (
        "Id    Name      Price  Interval      Cpu limit    Memory limit    Storage limit  "
        "Overage    Billing      Holders    Coming    Version\n"
        "----  ------  -------  ----------  -----------  --------------  ---------------  "
        "---------  ---------  ---------  --------  ---------\n"
        "free  Free       0.00  month              2.00               -                -  "
        "charge     arrears            0         1          1\n"
        "pro   Pro       29.99  month                 -           16.00                -  "
        "charge     arrears            2         0          1\n"
    )
    rows = planned("plan", "list", "-o", "json", at=FEB).ok().json()
    assert [(row["id"], row["holders"], row["coming"]) for row in rows] == [
        ("free", 1, 0),
        ("pro", 1, 0),
    ]


def test_a_plan_is_shown_with_its_versions(planned: Invoke) -> None:
    planned.configure(**PLANS | {"subscriptionPlans": [PRO | {"price": "35"}, FREE]})
    planned("config", "apply", "--from", FEB, at=JAN_11).ok()
    assert planned("plan", "show", "pro", at=JAN_11).ok().stdout == (
        """\
Id:            pro
Name:          Pro
Price:         29.99
Currency:      USD
Interval:      month
Cpu limit:     -
Memory limit:  16.00
Storage limit: -
Overage:       charge
Billing:       arrears
Holders:       2
Coming:        0

Versions

Since                 When       Price  Interval      Cpu limit    Memory limit    Storage limit
--------------------  -------  -------  ----------  -----------  --------------  ---------------
the beginning         current    29.99  month                 -           16.00                -
2025-02-01T00:00:00Z  coming     35.00  month                 -           16.00                -

Users

User id      Subscription id  Start                 End                   When
---------  -----------------  --------------------  --------------------  -------
ann                        2  2025-01-01T00:00:00Z  -                     current
bob                        1  2025-01-01T00:00:00Z  2025-02-01T00:00:00Z  current
"""
    )
    rows = planned("plan", "list", "-o", "json", at=FEB).ok().json()
    assert [(row["id"], row["price"], row["version"]) for row in rows] == [
        ("free", "0.00", 1),
        ("pro", "35.00", 2),
    ]


def test_every_format_shows_plans(planned: Invoke) -> None:
    for fmt in ("table", "json", "jsonl", "csv", "tsv", "markdown"):
        for command in (["list"], ["show", "free"]):
            assert "Free" in planned("plan", *command, "-o", fmt, at=FEB).ok().stdout
    users = planned("plan", "show", "free", "-o", "json", at=JAN).ok().json()["users"]
    assert users == [
        {"user_id": "bob", "subscription_id": 1, "start": FEB, "end": None, "when": "coming"}
    ]


def test_a_plan_that_there_is_not(sqlite_invoke: Invoke) -> None:
    assert sqlite_invoke("plan", "list").ok().stderr == "there are no plans in force\n"
    sqlite_invoke.configure(**PLANS)
    result = sqlite_invoke("plan", "show", "gold")
    assert (result.exit_code, result.stderr) == (
        3,
        "error: there is no plan 'gold'\nhint: the plans are: free, pro\n",
    )
