"""Several processes of the same jobs at once: nothing double, no deadlock, no "locked"."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.contents import assert_same, contents, rows
from tests.workload import START, sessions, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.databases import Copies, SqliteTemplates
    from tests.processes import CommandOn, Ended, Processes, Running
    from tests.workload import Event

FEBRUARY: Final = "2025-02-01T12:00:00Z"
MARCH: Final = "2025-03-01T12:00:00Z"
DOCUMENTED: Final = range(9)
GENERATE: Final = ("invoice", "generate", "--finalize", "-o", "json")
# What was billed for each user, month, resource and price, by all invoices together.
BILLED: Final = (
    "SELECT i.user_id, l.unit_start, l.resource_type, l.unit_price, "
    "CAST(SUM(l.amount) AS BIGINT) FROM billing_invoice_lines l "
    "JOIN billing_invoices i ON i.id = l.invoice_id WHERE l.resource_type IS NOT NULL "
    "GROUP BY 1, 2, 3, 4 HAVING SUM(l.amount) <> 0 ORDER BY 1, 2, 3, 4"
)


@pytest.fixture(name="events", scope="module")
def _events() -> list[Event]:
    return sessions(11, 60, 12, start=START, days=30)


@pytest.fixture(name="file", scope="module")
def _file(events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("concurrency") / "events.jsonl", events)


@pytest.fixture(name="parts", scope="module")
def _parts(events: list[Event], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("parts")
    return [write(folder / f"{number}.jsonl", events[number::4]) for number in range(4)]


@pytest.fixture(name="on")
def _on(copies: Copies, forked: Processes) -> Iterator[CommandOn]:
    with copies.fresh() as url:
        yield forked.on(url, at=FEBRUARY)


@pytest.fixture(name="alone")
def _alone(copies: Copies, forked: Processes) -> Iterator[CommandOn]:
    """Where commands run one after the other, for comparison."""
    with copies.fresh() as url:
        yield forked.on(url, at=FEBRUARY)


def together(starts: Sequence[tuple[CommandOn, tuple[str | Path, ...]]]) -> list[Ended]:
    """Run commands at once, all of which must do what they should."""
    return ended([on.start(*words) for on, words in starts])


def ended(running: Sequence[Running]) -> list[Ended]:
    """Wait for processes, all of which must do what they should."""
    ends = [one.wait() for one in running]
    for end in ends:
        assert end.code in DOCUMENTED, end.stderr
        assert "locked" not in end.stderr
        assert "Traceback" not in end.stderr
        end.ok()
    return ends


def total(ends: Sequence[Ended], key: str) -> int:
    """The sum of a number that each of some commands tells as JSON."""
    return sum(end.json()[key] for end in ends)


def test_four_ingest_the_same_file(
    on: CommandOn, alone: CommandOn, file: Path, events: list[Event]
) -> None:
    ends = together([(on, ("meter", "ingest", file, "-o", "json"))] * 4)
    assert total(ends, "accepted") == len(events)
    assert total(ends, "duplicate") == 3 * len(events)
    alone("meter", "ingest", file).ok()
    assert_same(contents(on.url), contents(alone.url))


def test_four_ingest_overlapping_parts(
    on: CommandOn, alone: CommandOn, file: Path, events: list[Event], tmp_path: Path
) -> None:
    source = random.Random(12)  # noqa: S311 - the same ones every time
    parts = [events[number::4] + source.sample(events, len(events) // 2) for number in range(4)]
    files = []
    for number, part in enumerate(parts):
        source.shuffle(part)
        files.append(write(tmp_path / f"{number}.jsonl", part))
    ends = together([(on, ("meter", "ingest", part, "-o", "json")) for part in files])
    assert total(ends, "accepted") == len(events)
    assert total(ends, "duplicate") == sum(map(len, parts)) - len(events)
    for command in (on, alone):
        command("meter", "ingest", file).ok()
        command("meter", "run").ok()
    assert_same(contents(on.url), contents(alone.url))


def test_four_run(on: CommandOn, alone: CommandOn, events: list[Event], tmp_path: Path) -> None:
    early = write(tmp_path / "early.jsonl", events[::2])
    late = write(tmp_path / "late.jsonl", events[1::2])
    for command in (on, alone):
        command("meter", "ingest", early).ok()
        command("meter", "run", "--until", "2025-01-15T00:00:00Z").ok()
        command("meter", "ingest", late).ok()
    together([(on, ("meter", "run"))] * 4)
    alone("meter", "run").ok()
    assert_same(contents(on.url), contents(alone.url))


def test_ten_finalize(on: CommandOn, alone: CommandOn, file: Path) -> None:
    for command in (on, alone):
        command("meter", "ingest", file).ok()
    ends = together([(on, GENERATE)] * 10)
    made = [invoice["invoice_number"] for end in ends for invoice in end.json()]
    assert sorted(made) == [f"INV-2025-{number:06d}" for number in range(1, len(made) + 1)]
    alone(*GENERATE).ok()
    assert_same(contents(on.url), contents(alone.url))


def test_all_jobs_at_once_with_drafts(
    on: CommandOn, alone: CommandOn, file: Path, parts: list[Path]
) -> None:
    everything_at_once(on, parts, GENERATE[:2])
    alone("meter", "ingest", file).ok()
    for command in (on, alone):
        command(*GENERATE).ok()
        command("meter", "run").ok()
    wanted = contents(alone.url)
    # Which periods to look at once more is a hint that a later run settles.
    del wanted["restatements"]
    assert_same(contents(on.url), wanted)
    on("db", "check").ok()


def test_all_jobs_at_once_with_final_invoices(
    on: CommandOn, alone: CommandOn, file: Path, parts: list[Path], forked: Processes
) -> None:
    everything_at_once(on, parts, GENERATE)
    alone("meter", "ingest", file).ok()
    alone(*GENERATE).ok()
    # What came after an invoice is on the next one; together they are what one would have been.
    later = forked.on(on.url, at=MARCH)
    later(*GENERATE).ok()
    later("db", "check").ok()
    assert rows(on.url, BILLED) == rows(alone.url, BILLED)
    alone("meter", "run", "--until", FEBRUARY).ok()
    found, wanted = contents(on.url), contents(alone.url)
    assert_same(found, {name: wanted[name] for name in ("records", "segments", "anomalies")})
    numbers = rows(on.url, "SELECT invoice_number FROM billing_invoices ORDER BY invoice_number")
    assert numbers == [(f"INV-2025-{number:06d}",) for number in range(1, len(numbers) + 1)]


def everything_at_once(on: CommandOn, parts: Sequence[Path], generate: tuple[str, ...]) -> None:
    """Ingest, meter and invoice in loops of their own, until the events are all in."""
    jobs: dict[str, Running] = {}
    loops = {"run": ("meter", "run"), "generate": generate}
    for part in parts:
        jobs["ingest"] = on.start("meter", "ingest", part)
        for name, words in loops.items():
            if name in jobs:
                ended([jobs.pop(name)])
            jobs[name] = on.start(*words)
        ended([jobs.pop("ingest")])
    ended(list(jobs.values()))


def test_ten_find_a_new_database(copies: Copies, forked: Processes, file: Path) -> None:
    words: tuple[tuple[Any, ...], ...] = (
        ("meter", "ingest", file),
        ("meter", "run"),
        ("invoice", "list"),
        ("db", "upgrade"),
        ("config", "history"),
    )
    with copies.fresh(empty=True) as url, copies.fresh() as other:
        on, alone = forked.on(url, at=FEBRUARY), forked.on(other, at=FEBRUARY)
        together([(on, command) for command in words * 2])
        for command in (on, alone):
            command("meter", "ingest", file).ok()
            command("meter", "run").ok()
        found, wanted = contents(url), contents(other)
        # Which periods to look at again depends on what was metered before all had come in.
        del found["restatements"], wanted["restatements"]
        assert_same(found, wanted)
        on("db", "check").ok()


def test_a_backup_while_others_write(
    sqlite_templates: SqliteTemplates, forked: Processes, tmp_path: Path
) -> None:
    events = sessions(13, 600, 12, start=START, days=30)
    file = write(tmp_path / "events.jsonl", events)
    commits = len(events) // 5
    for attempt in range(5):
        url = sqlite_templates.copy_to(tmp_path / f"{attempt}.db")
        backup = tmp_path / f"backup-{attempt}.db"
        on = forked.on(url, constants={"billing_cli.services.events._BATCH_EVENTS": 5})
        writer = on.start("meter", "ingest", file)
        writer.await_commits(1)
        on("db", "backup", backup).ok()
        was_in_the_middle = writer.done() < commits
        ended([writer])
        copy = forked.on(f"sqlite:///{backup}")
        copy("db", "check").ok()
        # What came later can be added to the copy: it is a database like any other.
        copy("meter", "ingest", file).ok()
        assert_same(contents(copy.url), contents(url))
        if was_in_the_middle:
            return
    pytest.fail("the writer was always quicker")
