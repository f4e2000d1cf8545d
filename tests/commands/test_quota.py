"""``billing quota check``, ``show``, ``set``, ``suspend`` and ``resume``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from billing_cli.commands.quotas import _COLUMNS
from billing_cli.output import Column
from billing_cli.tables import drawn_bar, gather, markdown_table, plain_table, terminal_table
from tests.commands.support import event, session, take_in

if TYPE_CHECKING:
    from tests.command_line import CommandLine, Invoke
    from tests.processes import Processes

NOON = "2025-01-10T12:00:00Z"
CORES = {"resources": {"cpu": "2", "memory": "4Gi"}}


def running(run: CommandLine) -> None:
    """Ann uses 4 cores and 8 GB from ten o'clock on, bob 2 cores and 4 GB for an hour."""
    take_in(
        run,
        event("created", "2025-01-10T08:00:00Z", "a1", "ann", **CORES),
        event("created", "2025-01-10T10:00:00Z", "a2", "ann", **CORES),
        *session("2025-01-10T09:00:00Z", "2025-01-10T10:00:00Z", "b", "bob", **CORES),
        at=NOON,
    )


def set_limits(run: CommandLine, user: str, *options: str, at: str = NOON) -> Any:
    return run("quota", "set", user, *options, "-o", "json", at=at).ok().json()


def rows(run: CommandLine, *arguments: str, at: str = NOON) -> list[tuple[Any, ...]]:
    shown = run("quota", *arguments, "-o", "json", at=at).ok().json()
    return [(r["user_id"], r["resource_type"], r["use"], r["level"], r["since"]) for r in shown]


def test_show_says_how_everyone_stands(invoke: Invoke) -> None:
    running(invoke)
    empty = invoke("quota", "show", at=NOON).ok()
    assert (empty.stdout, empty.stderr) == ("", "nobody has a limit\n")
    set_limits(invoke, "ann", "--cpu-limit", "5", "--memory-limit", "7.5", "--spend-limit", "1")
    set_limits(invoke, "bob", "--storage-limit", "10")
    assert invoke("quota", "show", at=NOON).ok().stdout == (
        """\
User id    Resource      Limit    Use  Unit      Percent  Level     Since                 \
Suspended since
---------  ----------  -------  -----  ------  ---------  --------  --------------------  \
-----------------
ann        cpu            5.00   4.00  cores       80.00  warning   2025-01-10T12:00:00Z  -
ann        memory         7.50   8.00  GB         106.66  exceeded  2025-01-10T12:00:00Z  -
ann        spend          1.00   0.84  USD         84.00  warning   2025-01-10T12:00:00Z  -
bob        storage       10.00   0.00  GB           0.00  ok        -                     -
"""
    )
    shown = invoke("quota", "show", "--user", "bob", "-o", "json", at=NOON).ok().json()
    assert shown == [
        {
            "user_id": "bob",
            "resource_type": "storage",
            "limit": "10.00",
            "use": "0.00",
            "unit": "GB",
            "percent": "0.00",
            "level": "ok",
            "since": None,
            "suspended_since": None,
        }
    ]


def test_show_looks_at_any_moment(invoke: Invoke) -> None:
    running(invoke)
    options = ("--cpu-limit", "4", "--spend-limit", "0.50", "--from", "2025-01-10")
    set_limits(invoke, "ann", *options)
    early = rows(invoke, "show", at="2025-01-10T09:00:00Z")
    assert early == [("ann", "cpu", "2.00", "ok", None), ("ann", "spend", "0.14", "ok", None)]
    assert rows(invoke, "show", at="2025-01-10T11:00:00Z") == [
        ("ann", "cpu", "4.00", "warning", "2025-01-10T10:00:00Z"),
        # At ten 0.28 are spent, and from then on 0.28 an hour: 0.40 are reached at 10:25:43.
        ("ann", "spend", "0.56", "exceeded", "2025-01-10T10:47:09Z"),
    ]
    assert rows(invoke, "show", at="2025-01-09T00:00:00Z") == []
    assert rows(invoke, "check", at=NOON)[0] == (
        ("ann", "cpu", "4.00", "warning", "2025-01-10T10:00:00Z")
    )


def test_a_check_says_what_is_new(invoke: Invoke) -> None:
    running(invoke)
    set_limits(invoke, "ann", "--cpu-limit", "3", "--from", "2025-01-01T00:00:00Z")
    set_limits(invoke, "bob", "--cpu-limit", "2", "--from", "2025-01-01T00:00:00Z")
    rehearsed = invoke("quota", "check", "--dry-run", at=NOON).ok()
    checked = invoke("quota", "check", at=NOON).ok()
    assert checked.stdout == rehearsed.stdout
    (row,) = checked.stdout.splitlines()[2:]
    assert row.split() == (
        ["ann", "cpu", "3.00", "4.00", "cores", "133.33", "exceeded", "2025-01-10T10:00:00Z", "-"]
    )
    said = "checked up to 2025-01-10T12:00:00Z: 3 new crossings, 0 suspensions, 0 resumptions\n"
    assert checked.stderr == said
    assert rehearsed.stderr == f"{said}nothing was kept: this was a rehearsal\n"
    again = invoke("quota", "check", "--user", "bob", at="2025-01-10T10:00:00Z").ok()
    assert again.stdout == ""
    assert again.stderr == (
        "nobody is at a limit or suspended\n"
        "quotas are checked up to 2025-01-10T12:00:00Z: nothing was changed, "
        "this is what was true at 2025-01-10T10:00:00Z\n"
    )


@pytest.mark.parametrize("verb", ["check", "show"])
@pytest.mark.parametrize(
    ("user", "level", "code"),
    [
        ("ann", "exceeded", 7),
        ("ann", "warning", 7),
        ("bob", "exceeded", 0),
        ("bob", "warning", 7),
        ("cy", "warning", 0),
    ],
)
def test_a_check_can_fail(
    sqlite_invoke: Invoke, verb: str, user: str, level: str, code: int
) -> None:
    running(sqlite_invoke)
    take_in(sqlite_invoke, event("created", NOON, "c", "cy", **CORES), at=NOON)
    take_in(sqlite_invoke, event("created", NOON, "b2", "bob", **CORES), at=NOON)
    for name, cores in (("ann", "3"), ("bob", "2"), ("cy", "9")):
        set_limits(sqlite_invoke, name, "--cpu-limit", cores)
    found = sqlite_invoke("quota", verb, "--user", user, "--fail-on", level, at=NOON)
    assert found.exit_code == code
    text = "over a limit" if level == "exceeded" else "at the warning level or over a limit"
    assert (f"error: 1 user is {text}\n" in found.stderr) == (code == 7)


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["set", "ann", "--cpu-limit", "many"], 2, "--cpu-limit: 'many' is neither a number"),
        (["set", "ann", "--cpu-limit", "-1"], 2, "--cpu-limit: '-1' is neither a number"),
        (["set", "ann", "--spend-limit", "1.234"], 2, "--spend-limit: '1.234' is finer"),
        (["set", "ann"], 2, "no limit is named"),
        (["set", "ann", "--cpu-limit", "1", "--from", "May"], 2, "--from: 'May' is not a date"),
        (["set", "ann", "--cpu-limit", "1", "--from", "T"], 2, "--from: 'T' is not an RFC 3339"),
        (["set", "nobody", "--cpu-limit", "1"], 3, "there is no user 'nobody'"),
        (["show", "--user", "nobody"], 3, "there is no user 'nobody'"),
        (["check", "--user", "nobody"], 3, "there is no user 'nobody'"),
        (["suspend", "nobody", "--reason", "x"], 3, "there is no user 'nobody'"),
        (["resume", "ann", "--reason", "x"], 4, "'ann' is not suspended"),
    ],
)
def test_what_cannot_be_is_refused(
    sqlite_invoke: Invoke, arguments: list[str], code: int, error: str
) -> None:
    running(sqlite_invoke)
    result = sqlite_invoke("quota", *arguments, at=NOON)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith(f"error: {error}")


def test_limits_are_exact_and_can_be_taken_back(invoke: Invoke) -> None:
    running(invoke)
    said = set_limits(
        invoke, "ann", "--cpu-limit", "2.5", "--memory-limit", "none", "--spend-limit", "0.10"
    )
    assert [(row["resource_type"], row["limit"], row["unit"]) for row in said] == [
        ("cpu", "2.50", "cores"),
        ("memory", "none", None),
        ("spend", "0.10", "USD"),
    ]
    assert {row["from"] for row in said} == {NOON}
    set_limits(invoke, "ann", "--cpu-limit", "plan", "--spend-limit", "none")
    assert rows(invoke, "show") == []


def test_suspending_by_hand(invoke: Invoke) -> None:
    running(invoke)
    suspend = ("quota", "suspend", "ann", "--reason", "Disputed")
    (done,) = invoke(*suspend, "-o", "json", at=NOON).ok().json()
    assert (done["cause"], done["suspended_at"], done["resumed_at"]) == ("manual", NOON, None)
    refused = invoke(*suspend, at=NOON)
    assert refused.exit_code == 4
    assert refused.stderr.startswith(f"error: 'ann' is suspended by hand since {NOON}\n")
    shown = invoke("quota", "check", "-o", "json", at=NOON).ok().json()
    assert [(r["user_id"], r["resource_type"], r["suspended_since"]) for r in shown] == [
        ("ann", None, NOON)
    ]
    later = "2025-01-10T13:00:00Z"
    resume = ("quota", "resume", "ann", "--reason", "Settled")
    (done,) = invoke(*resume, "-o", "json", at=later).ok().json()
    assert (done["resumed_at"], done["resume_reason"]) == (later, "Settled")
    assert invoke(*resume, at=later).exit_code == 4
    assert rows(invoke, "check", at=later) == []


def test_resuming_by_hand_holds(invoke: Invoke) -> None:
    invoke.configure(autoSuspendOnOverage=True, gracePeriodDays=0)
    running(invoke)
    set_limits(invoke, "ann", "--cpu-limit", "3", "--from", "2025-01-01")
    said = invoke("quota", "check", at=NOON).ok().stderr
    assert said.endswith("2 new crossings, 1 suspension, 0 resumptions\n")
    invoke("quota", "resume", "ann", "--reason", "Agreed", at=NOON).ok()
    said = invoke("quota", "check", at="2025-01-11T00:00:00Z").ok().stderr
    assert said.endswith("0 new crossings, 0 suspensions, 0 resumptions\n")
    take_in(invoke, event("terminated", "2025-01-11T01:00:00Z", "a2", "ann"), at=NOON)
    take_in(invoke, event("created", "2025-01-11T02:00:00Z", "a3", "ann", **CORES), at=NOON)
    said = invoke("quota", "check", at="2025-01-12T00:00:00Z").ok().stderr
    assert said.endswith("2 new crossings, 1 suspension, 0 resumptions\n")


def test_switched_off_nothing_is_checked(sqlite_invoke: Invoke) -> None:
    sqlite_invoke.configure(enabled=False)
    result = sqlite_invoke("quota", "check", at=NOON).ok()
    assert result.stderr.startswith("billing is switched off")


def test_checks_at_once_tell_each_crossing_once(invoke: Invoke, forked: Processes) -> None:
    running(invoke)
    set_limits(invoke, "ann", "--cpu-limit", "3", "--from", "2025-01-01")
    on = forked.on(invoke.database, at=NOON)
    for process in [on.start("quota", "check") for _ in range(3)]:
        process.wait().ok()
    told = invoke("events", "list", "-o", "json", at=NOON).ok().json()
    types = [row["type"] for row in told if row["type"].startswith("billing.quota")]
    assert sorted(types) == ["billing.quota.exceeded", "billing.quota.warning"]


def test_a_user_whom_an_event_introduces_has_the_limits_of_the_plan_at_once(
    sqlite_invoke: Invoke,
) -> None:
    """The first check after the event gives the plan, metered or not; so does a preview."""
    free = {"id": "free", "name": "Free", "price": 0, "interval": "month", "cpu_limit": 3}
    sqlite_invoke.configure(billingMode="hybrid", subscriptionPlans=[free])
    arrival = {"event": "user.created", "timestamp": "2025-01-01T00:00:00Z", "data": {"id": "ann"}}
    take_in(sqlite_invoke, json.dumps(arrival), at="2025-01-01T00:00:00Z")
    running(sqlite_invoke)
    # Nobody has asked for metering: what is looked at first has to see to it.
    previewed = sqlite_invoke(
        "invoice", "preview", "--user", "ann", "-o", "json", at="2025-01-10T12:00:00Z"
    ).ok()
    assert [line["description"] for line in previewed.json()["lines"]] == ["CPU overage"]
    late = "2025-01-10T13:00:00Z"
    created = {**arrival, "timestamp": late, "data": {"id": "bob"}}
    more = event("created", late, "b2", "bob", resources={"cpu": "4", "memory": "1Gi"})
    take_in(sqlite_invoke, json.dumps(created), more, at=late)
    assert rows(sqlite_invoke, "check", at=late) == [
        ("ann", "cpu", "4.00", "exceeded", "2025-01-10T10:00:00Z"),
        ("bob", "cpu", "4.00", "exceeded", late),
    ]


def test_since_when_a_level_holds_is_shown_on_a_terminal_of_eighty_cells() -> None:
    row: dict[str, object] = {
        "user_id": "ann",
        "resource_type": "memory",
        "limit": "3.75",
        "use": "3.00",
        "unit": "GB",
        "percent": "80.00",
        "level": "warning",
        "since": "2025-02-03T00:00:00Z",
        "suspended_since": None,
    }
    drawn = terminal_table(gather([row], _COLUMNS), 80, colour=False)
    assert "[########--]  80.00  warning  2025-02-03T0" in drawn


def test_a_percentage_is_a_bar_on_terminals_only() -> None:
    columns = [Column("user_id"), Column("percent", numeric=True, bar="level")]
    data: list[dict[str, object]] = [
        {"user_id": "ann", "percent": "45.50", "level": "ok"},
        {"user_id": "bob", "percent": "133.33", "level": "exceeded"},
        {"user_id": "cy", "percent": None, "level": "exceeded"},
    ]
    grid = gather(data, columns)
    assert drawn_bar("45.50") == "[####------]  45.50"
    assert "#" not in "".join(plain_table(grid))
    assert "#" not in "".join(markdown_table(grid))
    drawn = terminal_table(grid, 60, colour=False)
    assert "ann      [####------]  45.50" in drawn
    assert "bob      [##########] 133.33" in drawn
    assert "\x1b[" not in drawn
