"""`python -m benchmarks`: measure, print, and write the figures down."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks import (
    exporting,
    growth,
    hybrid,
    ingest,
    invoicing,
    metering,
    quotas,
    startup,
    stripe_sync,
)
from benchmarks.databases import KINDS, databases
from benchmarks.events import write_events
from benchmarks.growth import Growth, Sizes
from benchmarks.report import PAGE, RESULTS, environment, line_of, save, write_page

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.databases import Databases
    from benchmarks.measuring import Measurement


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured; ``hours`` are the histories that `meter run` comes on top of.

    ``repeats`` is how often each thing is done, ``ingests`` how often ingest, which is long.
    ``holders`` are users with a plan, whose quotas are checked.
    """

    events: int
    sessions: int
    hours: tuple[int, ...]
    users: int
    holders: int
    repeats: int
    ingests: int
    starts: int
    growth: Sizes


FULL: Final = Plan(
    events=1_000_000,
    sessions=100_000,
    hours=(20, 80),
    users=10_000,
    holders=100_000,
    repeats=5,
    ingests=3,
    starts=15,
    growth=Sizes(events=62_500, sessions=12_500, users=2_500),
)
QUICK: Final = Plan(
    events=50_000,
    sessions=5_000,
    hours=(2, 10),
    users=1_000,
    holders=2_000,
    repeats=3,
    ingests=3,
    starts=5,
    growth=Sizes(events=2_000, sessions=300, users=100),
)
NAMES: Final = (
    "startup",
    "ingest",
    "meter",
    "invoice",
    "hybrid",
    "quota",
    "export",
    "stripe",
    "growth",
)


def run(
    made: Databases, plan: Plan, names: Sequence[str], kinds: Sequence[str] = KINDS
) -> Iterator[Measurement | Growth]:
    """Measure what is asked for, on each kind of database."""
    if "startup" in names:
        yield from startup.measure(made, plan.starts)
    if "ingest" in names:
        path = made.folder / "events.jsonl"
        write_events(path, plan.events)
        for kind in kinds:
            yield ingest.measure(made, kind, path, plan.events, plan.ingests)
        path.unlink()
    for kind in kinds:
        yield from _jobs(made, plan, names, kind)
    for kind in kinds:
        if "growth" in names:
            yield from growth.measure(made, kind, plan.growth)


def _jobs(made: Databases, plan: Plan, names: Sequence[str], kind: str) -> Iterator[Measurement]:
    if "meter" in names:
        yield from metering.measure(made, kind, plan.sessions, plan.hours, plan.repeats)
    if "invoice" in names:
        yield invoicing.measure(made, kind, plan.users, plan.repeats)
    if "hybrid" in names:
        yield hybrid.measure(made, kind, plan.users, plan.repeats)
    if "quota" in names:
        yield from quotas.measure(made, kind, plan.holders, plan.repeats)
    if "export" in names:
        yield exporting.measure(made, kind, max(1, plan.sessions // 10), plan.repeats)
    if "stripe" in names:
        yield stripe_sync.measure(made, kind, plan.users, 1)


def main() -> int:
    """Measure, and write results.json and the page; 1 if a bar is missed.

    The bars are for full sizes: a quick run says whether everything works, and writes nothing.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=NAMES, help="measure only this")
    parser.add_argument("--database", action="append", choices=KINDS, help="only on this")
    parser.add_argument("--quick", action="store_true", help="small sizes, and nothing written")
    options = parser.parse_args()
    measurements: list[Measurement] = []
    grown: list[Growth] = []
    with databases() as made:
        machine = environment(made)
        print(", ".join(f"{name} {value}" for name, value in machine.items()))
        plan = QUICK if options.quick else FULL
        for found in run(made, plan, options.only or NAMES, options.database or KINDS):
            print(line_of(found), flush=True)
            if isinstance(found, Growth):
                grown.append(found)
            else:
                measurements.append(found)
    if not (options.quick or options.only or options.database):
        save(RESULTS, machine, measurements, grown)
        write_page(PAGE, machine, measurements, grown)
        print(f"written to {RESULTS} and {PAGE}")
    return 0 if options.quick or all(found.holds for found in measurements) else 1


if __name__ == "__main__":
    raise SystemExit(main())
