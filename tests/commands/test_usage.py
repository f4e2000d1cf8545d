"""``billing usage``: quantities and costs by user, resource, day or session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.commands.support import event, session, take_in

if TYPE_CHECKING:
    from tests.command_line import Invoke

NOW = "2025-01-20T00:00:00Z"
LINES = [
    *session("2025-01-01T00:00:00Z", "2025-01-02T12:00:00Z", "s1", "ann"),
    *session("2025-01-01T20:00:00Z", "2025-01-01T22:00:00Z", "s2", "bob", resources={"cpu": "4"}),
]


def test_what_is_shown_and_how_far_it_goes(invoke: Invoke) -> None:
    assert invoke("usage", at=NOW).stderr == (
        "nothing is metered yet: run billing meter run\nno usage\n"
    )
    take_in(invoke, *LINES, at=NOW)
    invoke("meter", "run", "--until", "2025-01-10T00:00:00Z", at=NOW).ok()
    shown = invoke("usage", at=NOW).ok()
    assert shown.stderr == (
        "metered until 2025-01-10T00:00:00Z: billing meter run brings it up to date\n"
    )
    assert shown.stdout == (
        """\
Usage of 2025-01

User id    Resource type      Quantity  Unit          Unit price    Total cost
---------  ---------------  ----------  ----------  ------------  ------------
ann        cpu                   36.00  core-hours          0.05          1.80
ann        memory                72.00  gb-hours            0.01          0.72
bob        cpu                    8.00  core-hours          0.05          0.40
bob        memory                 4.00  gb-hours            0.01          0.04
---------  ---------------  ----------  ----------  ------------  ------------
Total                                                                     2.96
"""
    )
    take_in(invoke, event("created", "2025-01-03T00:00:00Z", "s3"), at=NOW)
    assert invoke("usage", at=NOW).stderr.endswith(
        "there are events that are not metered yet: run billing meter run\n"
    )


@pytest.mark.parametrize(
    ("arguments", "rows"),
    [
        (
            ["--by", "resource"],
            ["resource_type,quantity,unit,unit_price,total_cost",
             "cpu,44.00,core-hours,0.05,2.20",
             "memory,76.00,gb-hours,0.01,0.76"],
        ),
        (
            ["--by", "session", "--user", "bob"],
            ["session_id,resource_type,quantity,unit,unit_price,total_cost",
             "s2,cpu,8.00,core-hours,0.05,0.40",
             "s2,memory,4.00,gb-hours,0.01,0.04"],
        ),
        # Kolkata is half past five ahead: the first of January has 18.5 hours of the session.
        (
            ["--by", "day", "--user", "ann"],
            ["date,resource_type,quantity,unit,unit_price,total_cost",
             "2025-01-01,cpu,18.50,core-hours,0.05,0.925",
             "2025-01-01,memory,37.00,gb-hours,0.01,0.37",
             "2025-01-02,cpu,17.50,core-hours,0.05,0.875",
             "2025-01-02,memory,35.00,gb-hours,0.01,0.35"],
        ),
        (
            ["--from", "2025-01-02", "--to", "2025-01-02"],
            ["user_id,resource_type,quantity,unit,unit_price,total_cost",
             "ann,cpu,17.50,core-hours,0.05,0.875",
             "ann,memory,35.00,gb-hours,0.01,0.35",
             "bob,cpu,8.00,core-hours,0.05,0.40",
             "bob,memory,4.00,gb-hours,0.01,0.04"],
        ),
        (["--period", "2024-12"], ["user_id,resource_type,quantity,unit,unit_price,total_cost"]),
    ],
)  # fmt: skip
def test_by_what_it_is_summed(invoke: Invoke, arguments: list[str], rows: list[str]) -> None:
    invoke.configure(timezone="Asia/Kolkata")
    take_in(invoke, *LINES, at=NOW)
    invoke("meter", "run", at=NOW).ok()
    shown = invoke("usage", *arguments, "-o", "csv", at=NOW).ok()
    assert shown.stdout.splitlines() == rows


@pytest.mark.parametrize(
    ("arguments", "code", "error", "hint"),
    [
        (["--user", "x"], 3, "there is no user 'x'",
         "users appear with the first event that names them, or with billing user add"),
        (["--period", "2025-13"], 2, "--period: '2025-13' is not a billing period",
         "write the month it starts in as YYYY-MM, such as 2025-01"),
        (["--period", "0000-01"], 2, "--period: 0000-01 is too early",
         "the year 3 is the first"),
        (["--from", "2025-01-01"], 2, "--from needs --to", "give the first and the last date"),
        (["--to", "2025-01-01"], 2, "--to needs --from", "give the first and the last date"),
        (["--from", "2025-01-02", "--to", "2025-01-01"], 2,
         "--from 2025-01-02 is after --to 2025-01-01", "give the earlier date first"),
        (["--from", "2025-02-30", "--to", "2025-03-01"], 2,
         "--from: '2025-02-30' is not a date", "write it as YYYY-MM-DD, such as 2025-01-31"),
        (["--from", "2025-01-01", "--to", "9999-12-31"], 2,
         "--to: 9999-12-31 is too late", "the year 9998 is the last"),
        (["--period", "2025-01", "--to", "2025-01-01"], 2,
         "--period cannot be combined with --from and --to",
         "name a period, or the first and the last date"),
        (["--by", "colour"], 2,
         "invalid value for '--by': 'colour' is not one of 'user', 'resource', 'day', 'session'.",
         "billing usage --help shows what there is"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(
    sqlite_invoke: Invoke, arguments: list[str], code: int, error: str, hint: str | None
) -> None:
    result = sqlite_invoke("usage", *arguments, at=NOW)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr == f"error: {error}\n" + (f"hint: {hint}\n" if hint else "")


NOTE = "included usage is at list cost; what is charged of it are overage, and use without a plan\n"


def on_a_plan(invoke: Invoke, mode: str) -> None:
    """Ann holds a plan of two cores from noon of the second day on, bob none."""
    plan = {"id": "pro", "name": "Pro", "price": "10", "interval": "month", "cpu_limit": 2}
    invoke.configure(billingMode=mode, subscriptionPlans=[plan])
    more = session("2025-01-02T18:00:00Z", "2025-01-03T00:00:00Z", "s4", "ann",
                   resources={"cpu": "5", "memory": "1Gi"})  # fmt: skip
    take_in(invoke, *LINES, *more, at=NOW)
    invoke("meter", "run", at=NOW).ok()
    since = "2025-01-02T12:00:00Z"
    invoke("subscription", "create", "--user", "ann", "--plan", "pro", "--from", since, at=NOW).ok()


def test_what_is_charged_and_what_is_included(invoke: Invoke) -> None:
    on_a_plan(invoke, "hybrid")
    assert invoke("usage", at=NOW).ok().stderr == (
        f"{NOTE}overage is not up to date with plans and events: run billing meter run\n"
    )
    invoke("meter", "run", at=NOW).ok()
    shown = invoke("usage", at=NOW).ok()
    assert shown.stderr == NOTE
    assert shown.stdout == (
        """\
Usage of 2025-01

User id    Resource type    Kind        Quantity  Unit          Unit price    Total cost
---------  ---------------  --------  ----------  ----------  ------------  ------------
ann        cpu              included       66.00  core-hours          0.05          3.30
ann        cpu              overage        18.00  core-hours          0.05          0.90
ann        cpu              use            36.00  core-hours          0.05          1.80
ann        memory           included       78.00  gb-hours            0.01          0.78
ann        memory           use            72.00  gb-hours            0.01          0.72
bob        cpu              usage           8.00  core-hours          0.05          0.40
bob        memory           usage           4.00  gb-hours            0.01          0.04
---------  ---------------  --------  ----------  ----------  ------------  ------------
Charged                                                                             3.86
"""
    )


@pytest.mark.parametrize(
    ("arguments", "rows"),
    [
        (
            ["--by", "resource"],
            ["cpu,included,66.00,core-hours,0.05,3.30",
             "cpu,overage,18.00,core-hours,0.05,0.90",
             "cpu,usage,8.00,core-hours,0.05,0.40",
             "cpu,use,36.00,core-hours,0.05,1.80",
             "memory,included,78.00,gb-hours,0.01,0.78",
             "memory,usage,4.00,gb-hours,0.01,0.04",
             "memory,use,72.00,gb-hours,0.01,0.72"],
        ),
        (
            ["--by", "day", "--user", "ann", "--from", "2025-01-02", "--to", "2025-01-03"],
            ["2025-01-02,cpu,included,42.00,core-hours,0.05,2.10",
             "2025-01-02,cpu,overage,18.00,core-hours,0.05,0.90",
             "2025-01-02,cpu,use,12.00,core-hours,0.05,0.60",
             "2025-01-02,memory,included,30.00,gb-hours,0.01,0.30",
             "2025-01-02,memory,use,24.00,gb-hours,0.01,0.24"],
        ),
        (
            ["--by", "session"],
            ["s1,cpu,included,36.00,core-hours,0.05,1.80",
             "s1,memory,included,72.00,gb-hours,0.01,0.72",
             "s2,cpu,usage,8.00,core-hours,0.05,0.40",
             "s2,memory,usage,4.00,gb-hours,0.01,0.04",
             "s4,cpu,included,30.00,core-hours,0.05,1.50",
             "s4,memory,included,6.00,gb-hours,0.01,0.06"],
        ),
    ],
)  # fmt: skip
def test_by_what_kinds_are_summed(invoke: Invoke, arguments: list[str], rows: list[str]) -> None:
    on_a_plan(invoke, "hybrid")
    invoke("meter", "run", at=NOW).ok()
    shown = invoke("usage", *arguments, "-o", "csv", at=NOW).ok()
    assert [line.split(",", 1)[-1] for line in shown.stdout.splitlines()[:1]] == [
        "kind,quantity,unit,unit_price,total_cost"
        if "resource" in arguments
        else "resource_type,kind,quantity,unit,unit_price,total_cost"
    ]
    assert shown.stdout.splitlines()[1:] == rows
    told = "overage is about no session: see it --by user, resource or day\n"
    assert shown.stderr == NOTE + (told if "session" in arguments else "")


def test_nothing_is_charged_by_use_in_subscription_mode(sqlite_invoke: Invoke) -> None:
    on_a_plan(sqlite_invoke, "subscription")
    rows = sqlite_invoke("usage", "-o", "json", at=NOW).ok().json()
    assert {(row["user_id"], row["kind"]) for row in rows} == {
        ("ann", "included"),
        ("bob", "included"),
    }
    assert sqlite_invoke("usage", at=NOW).ok().stdout.splitlines()[-1].split() == [
        "Charged",
        "0.00",
    ]
