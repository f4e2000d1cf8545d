"""The benchmark's machinery at tiny sizes: what it did and what it writes, never how fast."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from benchmarks import growth, ingest, measuring, report, startup
from benchmarks.__main__ import NAMES, Plan, run
from benchmarks.databases import KINDS, Databases, driver
from benchmarks.events import write_events
from benchmarks.growth import Growth, Sizes
from benchmarks.measuring import Measurement, isolated, peak_mib
from billing_cli.gateway.event_files import Line, read_lines
from billing_cli.pricing.events import KNOWN_TYPES, parse_event
from tests.shortcuts import build_tree_once

if TYPE_CHECKING:
    from pathlib import Path

    from tests.databases import PostgresDatabases

TINY = Plan(
    events=300,
    sessions=4,
    hours=(1, 3),
    users=3,
    holders=5,
    repeats=1,
    ingests=1,
    starts=1,
    growth=Sizes(events=20, sessions=2, users=2),
)
MEASURED = [
    "ingest",
    "meter run, new hour on 1 h",
    "meter run, growing records on 1 h",
    "meter run, new hour on 3 h",
    "meter run, growing records on 3 h",
    "invoice generate --finalize, 100 records each",
    "invoice generate --finalize, hybrid",
    "quota check every 15 minutes",
    "quota check after a week",
    "report usage --group-by record -o csv",
    "stripe sync of invoices",
]


@pytest.fixture
def made(tmp_path: Path, postgres_server: PostgresDatabases) -> Databases:
    """The benchmark's databases, on the tests' server."""
    name = "".join(filter(str.isalnum, tmp_path.name))
    return Databases(tmp_path, postgres_server.server, f"{postgres_server.prefix}_{name}")


def test_the_events_are_the_same_every_time_and_all_are_taken(tmp_path: Path) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    write_events(one, 20_000)
    write_events(two, 20_000)
    assert one.read_bytes() == two.read_bytes()
    events = [parse_event(line.raw) for line in read_lines(one) if isinstance(line, Line)]
    assert len({event.event_id for event in events}) == 20_000
    assert {event.type for event in events} == KNOWN_TYPES & {event.type for event in events}
    assert len({event.type for event in events}) == 7
    assert [event.second for event in events] == sorted(event.second for event in events)


@pytest.mark.parametrize("kind", KINDS)
def test_the_floor_stores_what_the_product_stores(made: Databases, kind: str) -> None:
    path = made.folder / "events.jsonl"
    write_events(path, TINY.events)
    _, rows = ingest.fastest(path)
    floor, ours = made.fresh(kind), made.fresh(kind)
    assert ingest.insert(floor, path, rows) == ingest.ingest(ours, path) == TINY.events
    columns = "event_id, type, state, at_fraction, TRIM(payload, '\n')"
    with driver(floor) as left, driver(ours) as right:
        expected = right.execute(f"SELECT {columns} FROM billing_session_events").fetchall()
        found = left.execute(f"SELECT {columns} FROM floor_events").fetchall()
    assert sorted(map(str, found)) == sorted(map(str, expected))


def test_every_way_to_make_the_floors_rows_makes_the_same(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    write_events(path, TINY.events)
    lines = path.read_bytes().splitlines()
    found = [list(way(lines)) for way in ingest.WAYS.values()]
    assert len(found) == 3
    assert all(rows == found[0] for rows in found)


@pytest.mark.no_cover  # much of what other tests have little of
def test_everything_is_measured_on_both_databases(
    made: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "isolated", lambda work, *arguments: work(*arguments))
    monkeypatch.setattr(growth, "TIMES", (1, 2))
    # A measurement begins with a clean heap, which is of no use to what is not measured.
    monkeypatch.setattr(measuring, "gc", mock.Mock())
    build_tree_once()
    found = list(run(made, TINY, [name for name in NAMES if name != "startup"]))
    measurements = [f for f in found if isinstance(f, Measurement)]
    assert {(m.database, m.name) for m in measurements} == {
        (kind, name) for kind in KINDS for name in MEASURED
    }
    assert all(m.seconds > 0 and m.bar for m in measurements)
    grown = [f for f in found if isinstance(f, Growth)]
    # Five jobs and three exports, at two sizes, on two databases.
    assert len(grown) == 32
    assert all(g.items and g.seconds > 0 and g.peak_mib > 1 for g in grown)
    _check_what_is_written(made, measurements, grown)


def _check_what_is_written(
    made: Databases, measurements: list[Measurement], grown: list[Growth]
) -> None:
    machine = report.environment(made)
    results, page = made.folder / "results.json", made.folder / "page.md"
    report.save(results, machine, measurements, grown)
    document = json.loads(results.read_text())
    assert document["environment"]["postgresql"].startswith("18.")
    assert [m["name"] for m in document["measurements"]] == [m.name for m in measurements]
    assert [g["items"] for g in document["growth"]] == [g.items for g in grown]

    page.write_text(f"above\n{report.BEGIN}\nold\n{report.END}\nbelow\n")
    report.write_page(page, machine, measurements, grown)
    once = page.read_text()
    report.write_page(page, machine, measurements, grown)
    assert page.read_text() == once
    assert once.startswith("above\n")
    assert once.endswith("\nbelow\n")
    assert "old" not in once
    assert all(m.name in once for m in measurements)


def test_a_page_without_marks_is_not_touched(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("mine")
    with pytest.raises(ValueError, match="no marks"):
        report.write_page(page, {}, [], [])
    assert page.read_text() == "mine"


def test_a_bar_is_the_most_a_ratio_may_be_and_the_least_a_rate_may_be() -> None:
    ratio = Measurement("x", "sqlite", 10, "rows", 3.0, 3, 1.5, floor_seconds=2.0)
    rate = Measurement("x", "sqlite", 10, "rows", 2.0, 3, 5.0)
    assert ratio.ratio == 1.5
    assert ratio.holds
    assert rate.rate == 5.0
    assert rate.holds
    assert not Measurement("x", "sqlite", 10, "rows", 3.1, 3, 1.5, floor_seconds=2.0).holds
    assert not Measurement("x", "sqlite", 10, "rows", 2.1, 3, 5.0).holds


def test_start_up_is_compared_with_a_program_of_as_many_commands(
    made: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Once each: the first start, which fills the caches, will do.
    monkeypatch.setattr(startup, "_start", cache(startup._start))  # noqa: SLF001 - see above
    assert [m.name for m in startup.measure(made, 1)] == [
        "billing --version",
        "billing --help",
        "billing invoice list",
    ]
    program, count = startup.bare_program()
    path = made.folder / "other.py"
    path.write_text(program)
    assert program.count(".command(") == count > 20
    shown = subprocess.run(
        [sys.executable, path, "--help"], capture_output=True, text=True, check=True
    )
    assert "invoice" in shown.stdout


def test_a_peak_is_of_the_new_process_alone() -> None:
    ballast = bytearray(256 * 2**20)
    ballast[:: 2**12] = b"x" * (len(ballast) // 2**12)
    assert peak_mib() > 256
    assert isolated(peak_mib) < 200
