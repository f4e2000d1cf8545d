"""``kill -9`` at any moment, and the same command again: the end is that of one clean run."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from tests.contents import Contents, assert_same, contents, rows
from tests.workload import DAY, START, event, sessions, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.databases import Copies
    from tests.processes import CommandOn, Processes
    from tests.workload import Event

FEBRUARY: Final = "2025-02-01T12:00:00Z"
APRIL: Final = "2025-04-01T12:00:00Z"
GENERATE: Final = ("invoice", "generate", "--finalize")
STATEMENTS_TRIED: Final = 3
KILLS_FROM_OUTSIDE: Final = 2
CREDIT_USES: Final = "SELECT COUNT(*) FROM billing_credit_uses"
# How much of a database there is, at a glance: every commit of every job changes it.
PROGRESS: Final = (
    "SELECT (SELECT COUNT(*) FROM billing_session_events), "
    "(SELECT COUNT(*) FROM billing_pending_sessions), "
    "(SELECT COUNT(*) FROM billing_reslices), (SELECT MIN(from_second) FROM billing_reslices), "
    "(SELECT COUNT(*) FROM billing_usage_records), (SELECT COUNT(*) FROM billing_invoices), "
    "(SELECT value FROM billing_state WHERE name = 'metered_until'), "
    "(SELECT COUNT(*) FROM billing_closed_periods), "
    "(SELECT COUNT(*) FROM billing_settings_versions)"
)


@dataclass(frozen=True)
class Job:
    """A command, the database before it, and what one clean run makes of that."""

    copies: Copies
    before: CommandOn
    words: tuple[str | Path, ...]
    clean: Contents
    code: int
    steps: str
    ends: frozenset[tuple[object, ...]]
    """The progress before and after."""

    @property
    def commits(self) -> int:
        """How many commits a clean run makes."""
        return self.steps.count("d")

    def on(self, url: str) -> CommandOn:
        """What runs commands on a copy."""
        return self.before.processes.on(url, at=self.before.at)

    def is_partial(self, url: str) -> bool:
        """Whether a database is neither as before the command nor as after it."""
        return rows(url, PROGRESS)[0] not in self.ends

    def finish(self, url: str) -> None:
        """Run the command to its end, where all must be as after one clean run."""
        end = self.on(url)(*self.words)
        assert end.code == self.code, end.stderr
        self.require_clean(url)

    def require_clean(self, url: str) -> None:
        """Compare a database with that of the clean run."""
        assert_same(contents(url), self.clean)


def january() -> list[Event]:
    still_there = event("session.created", START + 27 * DAY, "open", user="user-000")
    return [*sessions(1, 32, 8, start=START, days=31), still_there]


def late_january() -> list[Event]:
    """Half the sessions of January were never there; and some nobody knew of were."""
    created = [one for one in january()[:-1] if one["event"] == "session.created"]
    ends = [
        {**one, "id": f"{one['id']}/undone", "event": "session.terminated"} for one in created[::2]
    ]
    return ends + sessions(2, 6, 4, start=START, days=20)


def february() -> list[Event]:
    return sessions(3, 16, 4, start=START + 31 * DAY, days=20)


def march() -> list[Event]:
    # Of those, too, who have nothing in February but corrections of January: they have credit.
    return sessions(4, 16, 8, start=START + 62 * DAY, days=20)


def prepare_ingest(before: CommandOn, folder: Path) -> tuple[str | Path, ...]:
    events: list[Event | str] = [*sessions(5, 100, 20, start=START, days=20)]
    bad = ["no event", '{"id": "x", "event": "session.created", "timestamp": "yesterday"}']
    twice = events[50:60]
    write(folder / "known.jsonl", events[:80])
    before("meter", "ingest", folder / "known.jsonl").ok()
    return "meter", "ingest", write(folder / "all.jsonl", [*events[40:], *bad, *twice])


def prepare_run(before: CommandOn, folder: Path) -> tuple[str | Path, ...]:
    before("meter", "ingest", write(folder / "known.jsonl", january()[::2])).ok()
    before("meter", "run", "--until", "2025-01-14T10:20:30Z").ok()
    before("meter", "ingest", write(folder / "late.jsonl", january()[1::2])).ok()
    return "meter", "run"


def prepare_generate(before: CommandOn, folder: Path) -> tuple[str | Path, ...]:
    then = before.processes.on(before.url, at=FEBRUARY)
    then("meter", "ingest", write(folder / "january.jsonl", january())).ok()
    then(*GENERATE).ok()
    then("invoice", "void", "INV-2025-000002", "--reason", "to be sent again").ok()
    then("invoice", "void", "INV-2025-000003", "--reason", "a gift", "--write-off").ok()
    late = write(folder / "late.jsonl", [*late_january(), *february(), *march()])
    before("meter", "ingest", late).ok()
    return GENERATE


PREPARE: Final = {
    "ingest": (prepare_ingest, FEBRUARY),
    "run": (prepare_run, FEBRUARY),
    "generate": (prepare_generate, APRIL),
}


@pytest.fixture(name="job", scope="module", params=PREPARE)
def _job(
    request: pytest.FixtureRequest,
    copies: Copies,
    forked: Processes,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Job]:
    prepare, at = PREPARE[request.param]
    with copies.fresh() as url:
        before = forked.on(url, at=at)
        words = prepare(before, tmp_path_factory.mktemp("job"))
        with copies.of(url) as clean:
            end = forked.on(clean, at=at)(*words)
            assert end.code == (5 if request.param == "ingest" else 0), end.stderr
            forked.on(clean)("db", "check").ok()
            assert end.steps.count("d") > 5
            assert request.param != "generate" or rows(clean, CREDIT_USES)[0][0] > 0
            ends = frozenset(rows(where, PROGRESS)[0] for where in (url, clean))
            yield Job(copies, before, words, contents(clean), end.code, end.steps, ends)


def test_a_kill_after_any_commit(job: Job) -> None:
    partial = 0
    # To copy a file is quick; to fill a database on a server takes longer. Every commit has its
    # kill in the test below.
    numbers = range(1, job.commits + 1, 3 if job.copies.are_sqlite else 12)
    for number in numbers:
        with job.copies.of(job.before.url) as url:
            assert job.on(url)(*job.words, kill=("done", number)).killed
            partial += job.is_partial(url)
            job.finish(url)
    assert partial >= len(numbers) - 2


def test_kills_again_and_again_each_before_a_commit(job: Job) -> None:
    with job.copies.of(job.before.url) as url:
        for number in range(1, 3 * job.commits):
            end = job.on(url)(*job.words, kill=("commit", number))
            if not end.killed:
                assert end.code == job.code, end.stderr
                break
        else:
            pytest.fail("the work never ends")
        job.require_clean(url)


def test_a_kill_at_any_statement(job: Job) -> None:
    source = random.Random(7)  # noqa: S311 - the same ones every time
    statements = range(1, job.steps.count("s") + 1)
    for number in source.sample(statements, STATEMENTS_TRIED):
        with job.copies.of(job.before.url) as url:
            assert job.on(url)(*job.words, kill=("statement", number)).killed
            job.finish(url)


def test_kills_from_outside(job: Job) -> None:
    source = random.Random(8)  # noqa: S311 - the same ones every time
    partial = 0
    for _ in range(10 * KILLS_FROM_OUTSIDE):
        with job.copies.of(job.before.url) as url:
            running = job.on(url).start(*job.words)
            running.await_commits(source.randrange(1, max(2, job.commits // 2)))
            time.sleep(source.random() / 100)
            running.kill()
            # A process that was quicker than this one has done nothing wrong.
            partial += running.wait().killed and job.is_partial(url)
            job.finish(url)
        if partial == KILLS_FROM_OUTSIDE:
            return
    pytest.fail("hardly a kill hit")


def test_a_kill_while_the_database_is_set_up(copies: Copies, forked: Processes) -> None:
    source = random.Random(9)  # noqa: S311 - the same ones every time
    killed, longest = 0, 0.5
    for _ in range(20 * KILLS_FROM_OUTSIDE):
        with copies.fresh(empty=True) as url:
            running = forked.on(url).start("invoice", "list")
            time.sleep(source.random() * longest)
            running.kill()
            hit = running.wait().killed
            forked.on(url)("invoice", "list").ok()
            forked.on(url)("db", "check").ok()
        killed += hit
        if killed == KILLS_FROM_OUTSIDE:
            return
        # It was quicker than this one.
        longest = longest if hit else longest * 0.7
    pytest.fail("hardly a kill hit")
