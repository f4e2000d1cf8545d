"""``billing job``: what is due, what was done, what failed, and who is at work already."""

from __future__ import annotations

import json
import re
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import pytest

from billing_cli.pricing.instants import format_instant
from billing_cli.services import jobs
from billing_cli.services.job_report import Count, JobReport
from billing_cli.services.jobs import JOBS, Job, of_module
from billing_cli.settings import ConfigValues
from billing_cli.store.engine import open_engine
from billing_cli.store.jobs import lock
from tests.commands.support import event, take_in, written
from tests.contents import assert_same, contents, rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command_line import Invoke
    from tests.databases import Copies
    from tests.processes import CommandOn, Processes

# Those that are configured where nothing is.
NAMES: Final = [job.name for job in JOBS if job.configured(ConfigValues())]
JANUARY: Final = "2025-01-10T08:00:00Z"
RUNS: Final = "SELECT job, started_at, due_at, result FROM billing_job_runs ORDER BY id"


def status(run: Invoke, at: str) -> dict[str, dict[str, Any]]:
    found = run("job", "status", "-o", "json", at=at)
    assert found.exit_code in {0, 7}, found.stderr
    return {row["job"]: row for row in found.json() if row["job"] in NAMES}


def due(run: Invoke, at: str, *more: str) -> dict[str, dict[str, Any]]:
    found = run("job", "run", "--due", "-o", "json", *more, at=at).ok()
    return {row["job"]: row for row in json.loads(found.stdout or "[]")}


def started(run: Invoke) -> None:
    """Let a session run from 8 o'clock on 10 January."""
    take_in(run, event("created", JANUARY), at=JANUARY)


def test_a_job_is_due_when_its_schedule_has_fired(invoke: Invoke) -> None:
    started(invoke)
    before = status(invoke, JANUARY)
    assert [row["result"] for row in before.values()] == ["never run"] * 3
    assert {row["next_due"] for row in before.values()} == {JANUARY}
    assert before["calculate-usage"]["backlog"] == "1 changed session"
    never = status(invoke, "2025-01-10T09:30:00Z")
    assert {row["job"]: row["late"] for row in never.values()} == {
        "calculate-usage": "30 min", "generate-invoices": None, "check-quotas": "1 h 15 min",
    }  # fmt: skip
    first = due(invoke, "2025-01-10T08:20:30Z")
    assert [*first] == NAMES
    assert first["calculate-usage"]["counts"]["records"] == 2
    assert first["calculate-usage"]["did"] == "2 records, 1 changed session"
    nothing = invoke("job", "run", "--due", at="2025-01-10T08:29:59Z").ok()
    assert nothing.stdout == ""
    assert nothing.stderr == "no job is due: the next is check-quotas at 2025-01-10T08:30:00Z\n"
    assert [*due(invoke, "2025-01-10T08:30:00Z")] == ["check-quotas"]
    assert [*due(invoke, "2025-01-10T09:00:00Z")] == ["calculate-usage", "check-quotas"]
    # Due is not late; what an earlier moment looks like does not depend on what came later.
    invoke("job", "status", at="2025-01-10T09:30:00Z").ok()
    assert status(invoke, "2025-01-10T08:45:00Z")["calculate-usage"]["next_due"] == (
        "2025-01-10T09:00:00Z"
    )
    assert rows(invoke.database, RUNS)[-1][1:] == (1736499600, 1736498700, "done")


def test_a_week_without_jobs_is_caught_up_in_one_run(invoke: Invoke) -> None:
    started(invoke)
    due(invoke, "2025-01-31T23:50:00Z")
    late = invoke("job", "status", at="2025-02-07T12:00:00Z")
    assert late.exit_code == 7
    assert late.stderr.splitlines()[0] == (
        "error: late: calculate-usage (6 d 12 h), generate-invoices (6 d 11 h), "
        "check-quotas (6 d 12 h)"
    )
    now = status(invoke, "2025-02-07T12:00:00Z")
    assert now["generate-invoices"]["next_due"] == "2025-02-01T01:00:00Z"
    assert now["generate-invoices"]["late_seconds"] == 6 * 86_400 + 11 * 3_600
    assert now["generate-invoices"]["backlog"] == "1 period"
    assert now["calculate-usage"]["backlog"] == "156 hours"
    done = due(invoke, "2025-02-07T12:00:00Z")
    assert done["generate-invoices"]["counts"] == {
        "invoices": 1, "periods": 1, "overdue invoices": 0,
    }  # fmt: skip
    assert done["generate-invoices"]["due_at"] == "2025-02-01T01:00:00Z"
    assert due(invoke, "2025-02-07T12:00:00Z") == {}
    assert invoke("job", "status", at="2025-02-07T12:00:00Z").ok().stderr == ""
    # Nothing is left of it, and the invoice becomes overdue where it is due.
    assert due(invoke, "2025-02-21T12:15:00Z")["check-quotas"]["did"] == "1 overdue invoice"


def test_invoices_wait_for_late_events_by_schedule_but_not_by_hand(sqlite_invoke: Invoke) -> None:
    sqlite_invoke.configure(timezone="America/New_York", jobs={"invoiceDelayMinutes": 90})
    started(sqlite_invoke)
    due(sqlite_invoke, "2025-02-01T04:59:00Z")
    assert status(sqlite_invoke, "2025-02-01T05:00:00Z")["generate-invoices"]["next_due"] == (
        "2025-02-01T06:30:00Z"
    )
    assert "generate-invoices" not in due(sqlite_invoke, "2025-02-01T06:29:00Z")
    assert due(sqlite_invoke, "2025-03-01T05:30:00Z")["generate-invoices"]["counts"]["periods"] == 1
    by_hand = sqlite_invoke(
        "job", "run", "generate-invoices", "-o", "json", at="2025-03-01T05:30:00Z"
    )
    assert by_hand.ok().json()[0]["counts"]["periods"] == 1
    assert [row["period"] for row in sqlite_invoke("invoice", "list", "-o", "json").json()] == [
        "2025-01", "2025-02",
    ]  # fmt: skip


def test_a_dry_run_a_quiet_one_and_history(sqlite_invoke: Invoke) -> None:
    started(sqlite_invoke)
    would = sqlite_invoke("job", "run", "--due", "--dry-run", "-o", "csv", at=JANUARY).ok()
    assert would.stdout.splitlines()[1] == f"calculate-usage,due,,,,{JANUARY},{{}},"
    assert would.stderr == "nothing was kept: this was a rehearsal\n"
    assert sqlite_invoke("job", "history", at=JANUARY).stderr == "no job has run\n"
    quiet = sqlite_invoke(
        "job", "run", "check-quotas", "calculate-usage", "--quiet", at=JANUARY
    ).ok()
    assert (quiet.stdout, quiet.stderr) == ("", "")
    found = sqlite_invoke("job", "history", "-o", "json", at=JANUARY).json()
    assert [row["job"] for row in found] == ["check-quotas", "calculate-usage"]
    assert {row["due_at"] for row in found} == {None}
    assert found[1]["counts"] == {"records": 0, "changed sessions": 1, "anomalies": 0}
    newest = sqlite_invoke(
        "job", "history", "check-quotas", "--limit", "1", "-o", "jsonl", at=JANUARY
    )
    assert newest.ok().stdout.count("\n") == 1
    assert sqlite_invoke("job", "history", at="2025-01-10T07:59:59Z").stdout == ""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run",), 2, "name jobs, or else say --due"),
        (("run", "--due", "all"), 2, "name jobs, or else say --due"),
        (("run", "calculate-usages"), 2, "there is no job 'calculate-usages'"),
        (("install",), 2, "say --systemd, or else --cron"),
        (("history", "\x1b[31m"), 2, r"there is no job '\x1b[31m'"),
    ],
)
def test_what_cannot_be_asked(
    sqlite_invoke: Invoke, words: tuple[str, ...], code: int, said: str
) -> None:
    found = sqlite_invoke("job", *words)
    assert (found.exit_code, found.stdout) == (code, "")
    assert found.stderr.startswith(f"error: {said}")


def test_switched_off(sqlite_invoke: Invoke) -> None:
    sqlite_invoke.configure(enabled=False)
    for words in (("run", "--due"), ("run", "all"), ("status",)):
        found = sqlite_invoke("job", *words, at=JANUARY).ok()
        assert found.stderr.startswith("billing is switched off")
        assert found.stdout.count("switched off") == (len(JOBS) if "status" in words else 0)
    assert "billing_job_late_seconds" not in sqlite_invoke("metrics").ok().stdout


def fail_to_make_invoices(run: Invoke) -> None:
    """Have the database refuse invoices, as one that is damaged or full would."""
    statement = "CREATE TRIGGER no_more BEFORE INSERT ON billing_invoices "
    body = "BEGIN SELECT RAISE(ABORT, 'the disk is on fire'); END"
    if run.database.startswith("postgresql"):
        make = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ "
        make += "BEGIN RAISE EXCEPTION 'the disk is on fire'; END $$"
        execute(run, make)
        body = "FOR EACH ROW EXECUTE FUNCTION refuse()"
    execute(run, statement + body)


def execute(run: Invoke, statement: str) -> None:
    with open_engine(run.database).connect() as connection:
        connection.exec_driver_sql(statement)


def test_a_job_that_fails_is_told_stops_no_other_and_is_tried_again(invoke: Invoke) -> None:
    started(invoke)
    due(invoke, "2025-01-31T23:50:00Z")
    fail_to_make_invoices(invoke)
    found = invoke("job", "run", "--due", "-o", "json", at="2025-02-01T02:00:00Z")
    assert found.exit_code == 7
    assert "error: generate-invoices failed: " in found.stderr
    assert "the disk is on fire" in found.stderr
    assert [row["result"] for row in found.json()] == ["done", "failed", "done"]
    shown = invoke("job", "status", "-o", "json", at="2025-02-01T02:00:00Z")
    assert shown.exit_code == 7
    assert shown.stderr.splitlines()[0] == (
        "error: late: generate-invoices (1 h); failed: generate-invoices"
    )
    assert "on fire" in shown.json()[1]["error"]
    assert shown.json()[1]["last_success"] == "2025-01-31T23:50:00Z"
    again = invoke("job", "run", "--due", at="2025-02-01T02:05:00Z")
    assert (again.exit_code, again.stdout.count("failed")) == (7, 1)
    execute(invoke, "DROP TRIGGER no_more" + (
        " ON billing_invoices" if invoke.database.startswith("postgresql") else ""
    ))  # fmt: skip
    assert [*due(invoke, "2025-02-01T02:10:00Z")] == ["generate-invoices"]
    invoke("job", "status", at="2025-02-01T02:10:00Z").ok()
    results = [row[0] for row in rows(invoke.database, "SELECT result FROM billing_job_runs "
                                      "WHERE job = 'generate-invoices' ORDER BY id")]  # fmt: skip
    assert results == ["done", "failed", "failed", "done"]


def test_jobs_of_other_modules(sqlite_invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is not configured is nobody's concern; one with a bug stops no other."""
    said = JobReport([Count(1, "letter"), Count(2, "parcel")], problem="3 letters came back")
    module = ModuleType("billing_cli.services.post")
    vars(module)["run_job"] = lambda app: said if app.clock.now() else None
    monkeypatch.setitem(sys.modules, "billing_cli.services.post", module)
    every_minute: dict[str, Any] = {"schedule": lambda _: "* * * * *"}
    monkeypatch.setattr(
        jobs,
        "JOBS",
        (
            Job("unused", work=of_module("unused"), configured=lambda _: False, **every_minute),
            Job("broken", work=lambda _: JobReport([Count(1 // int(False), "x")]), **every_minute),
            Job("post", work=of_module("post"), **every_minute),
        ),
    )
    found = sqlite_invoke("job", "run", "--due", "-o", "json", at=JANUARY)
    assert found.exit_code == 7
    assert [(row["job"], row["result"]) for row in found.json()] == [
        ("broken", "failed"), ("post", "failed"),
    ]  # fmt: skip
    assert found.json()[1]["did"] == "1 letter, 2 parcels"
    assert "ZeroDivisionError" in found.stderr
    assert 'File "' in found.stderr
    assert "post failed: 3 letters came back" in found.stderr
    (shown, *_) = sqlite_invoke("job", "status", "-o", "json", at="2025-01-11T08:00:00Z").json()
    assert [shown[key] for key in ("result", "next_due", "late")] == ["not configured", None, None]
    everything = sqlite_invoke("job", "run", "all", "-o", "json", at=JANUARY)
    assert everything.json()[0]["result"] == "not configured"
    alone = sqlite_invoke("job", "run", "unused", at=JANUARY)
    assert (alone.exit_code, alone.stderr.startswith("error: the job unused is not conf")) == (
        8, True,
    )  # fmt: skip


def test_a_second_process_says_so_and_leaves(invoke: Invoke) -> None:
    started(invoke)
    with lock(open_engine(invoke.database)) as held:
        assert held
        found = invoke("job", "run", "--due", at=JANUARY).ok()
    assert found.stdout == ""
    assert found.stderr == "another process is running jobs. Nothing was done\n"
    assert len(due(invoke, JANUARY)) == 3


def test_old_runs_are_forgotten(sqlite_invoke: Invoke) -> None:
    for day in ("2023-01-01", "2023-01-02", "2025-01-01", "2025-12-01"):
        sqlite_invoke("job", "run", "check-quotas", at=f"{day}T00:00:00Z").ok()
    kept = rows(sqlite_invoke.database, "SELECT started_at FROM billing_job_runs ORDER BY id")
    assert [format_instant(at)[:10] for (at,) in kept] == ["2025-01-01", "2025-12-01"]


def test_the_last_success_is_not_forgotten_however_old(sqlite_invoke: Invoke) -> None:
    started(sqlite_invoke)
    job = ("job", "run", "generate-invoices")
    sqlite_invoke(*job, at="2025-02-02T00:00:00Z").ok()
    execute(
        sqlite_invoke,
        "CREATE TRIGGER no_more BEFORE INSERT ON billing_invoices "
        "BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    for day in ("2025-03-15", "2026-06-15"):
        assert sqlite_invoke(*job, at=f"{day}T00:00:00Z").exit_code == 7
    kept = rows(sqlite_invoke.database, "SELECT result FROM billing_job_runs ORDER BY id")
    assert kept == [("done",), ("failed",), ("failed",)]


def test_a_schedule_is_read_in_the_billing_time_zone(sqlite_invoke: Invoke) -> None:
    sqlite_invoke.configure(timezone="America/New_York", jobs={"checkQuotas": "0 3 * * *"})
    sqlite_invoke("job", "run", "check-quotas", at="2025-01-10T12:00:00Z").ok()
    found = status(sqlite_invoke, "2025-01-10T13:00:00Z")["check-quotas"]
    assert found["next_due"] == "2025-01-11T08:00:00Z"


# What follows needs processes that can be killed, and are there at once.


@pytest.fixture(name="on")
def _on(copies: Copies, forked: Processes, tmp_path: Path) -> Iterator[CommandOn]:
    with copies.fresh() as url:
        yield prepared(forked, url, tmp_path)


def prepared(forked: Processes, url: str, folder: Path) -> CommandOn:
    """Where twelve users have sessions in January, and February has begun."""
    lines = [event("created", JANUARY, f"s{n}", f"user-{n}") for n in range(12)]
    forked.on(url, at=JANUARY)("meter", "ingest", written(folder / "events.jsonl", *lines)).ok()
    return forked.on(url, at="2025-02-01T12:00:00Z")


def test_a_killed_run_is_seen_and_made_good(
    on: CommandOn, copies: Copies, forked: Processes, tmp_path: Path
) -> None:
    with copies.fresh() as other:
        clean = prepared(forked, other, tmp_path)
        steps = clean("job", "run", "--due").ok().steps.count("d")
        wanted = contents(other)
    for number in (steps // 5, steps // 3, steps // 2):
        assert on("job", "run", "--due", kill=("done", number)).killed
        shown = on("job", "status", "-o", "json")
        assert (shown.code, "failed: " in shown.stderr) == (7, True)
        assert [row["result"] for row in shown.json()].count("interrupted") == 1
    with lock(open_engine(on.url)):
        # As if it were still at work.
        assert "running" in on("job", "status").stdout
        busy = on("job", "run", "--due").ok().stderr
        assert re.fullmatch(
            r"another process is running jobs: \S+:\d+ runs [a-z-]+ since 2025-02-01T12:00:00Z\. "
            "Nothing was done\n", busy
        )  # fmt: skip
    on("job", "run", "--due").ok()
    assert_same(contents(on.url), wanted)
    assert rows(on.url, "SELECT 1 FROM billing_job_runs WHERE result = 'running'") == []
    on("job", "status").ok()


def test_three_at_once_do_the_work_once(on: CommandOn) -> None:
    ends = [one.wait().ok() for one in [on.start("job", "run", "--due") for _ in range(3)]]
    for end in ends:
        assert end.stdout or "another process" in end.stderr or "no job is due" in end.stderr
    assert [(row[0], row[3]) for row in rows(on.url, RUNS)] == [(name, "done") for name in NAMES]
