"""What was measured: as JSON to keep, as lines to watch, and as tables in docs/performance.md."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict
from importlib.metadata import version
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.databases import KINDS
from benchmarks.growth import BAR, Growth

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.databases import Databases
    from benchmarks.measuring import Measurement

RESULTS: Final = Path(__file__).with_name("results.json")
TIMES_SIGN: Final = "\N{MULTIPLICATION SIGN}"
PAGE: Final = Path(__file__).parent.parent / "docs" / "performance.md"
BEGIN: Final = "<!-- Written by python -m benchmarks -->"
END: Final = "<!-- End of what python -m benchmarks writes -->"
_PACKAGES: Final = ("sqlalchemy", "sqlmodel", "psycopg", "msgspec", "orjson", "typer")
_NAMES: Final = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "": "-"}


def environment(databases: Databases) -> dict[str, object]:
    """Return what the figures hang on: the machine, and the versions of everything in it."""
    return {
        "cpu": _cpu(),
        "processors": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{kind: databases.version(kind) for kind in KINDS},
        **{package: version(package) for package in _PACKAGES},
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def line_of(found: Measurement | Growth) -> str:
    """Return a line for whoever watches."""
    if isinstance(found, Growth):
        return (
            f"{found.database:<11} {found.name:<42} {found.items:>9,} {found.unit:<9}"
            f"{_duration(found.seconds / found.items):>9} each, {found.peak_mib:.0f} MiB"
        )
    floor = "" if found.floor_seconds is None else f"floor {_duration(found.floor_seconds)}"
    return (
        f"{found.database:<11} {found.name:<42} {_duration(found.seconds):>9}  {floor:<16}"
        f"{_figure(found)} ({_bar(found)}){'' if found.holds else '  MISSED'}"
    )


def save(
    path: Path,
    machine: dict[str, object],
    measurements: Sequence[Measurement],
    growth: Sequence[Growth],
) -> None:
    """Write everything to a JSON file."""
    document = {
        "environment": machine,
        "measurements": [
            {**asdict(m), "ratio": m.ratio, "rate": m.rate, "holds": m.holds} for m in measurements
        ],
        "growth": [asdict(g) for g in growth],
    }
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def write_page(
    page: Path,
    machine: dict[str, object],
    measurements: Sequence[Measurement],
    growth: Sequence[Growth],
) -> None:
    """Put the tables between the marks of a Markdown page, and leave the rest of it alone."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{page} has no marks between which to write")
    lines = [*_machine(machine), "", *_table(measurements), "", *_growth_table(growth)]
    page.write_text("\n".join((before + BEGIN, "", *lines, "", END + after)), encoding="utf-8")


def _machine(machine: dict[str, object]) -> Iterator[str]:
    packages = ", ".join(f"{name} {machine[name]}" for name in _PACKAGES)
    yield (
        f"{machine['cpu']}, {machine['processors']} processors, {machine['memory_gib']} GiB; "
        f"{machine['system']}; Python {machine['python']}; SQLite {machine['sqlite']}; "
        f"PostgreSQL {machine['postgresql']}; {packages}."
    )


def _table(measurements: Sequence[Measurement]) -> Iterator[str]:
    yield "| What | Database | Size | Time | Floor | Figure | Bar | |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |"
    for found in measurements:
        floor = "-" if found.floor_seconds is None else _duration(found.floor_seconds)
        size = "-" if found.items == 1 else f"{found.items:,} {found.unit}"
        yield (
            f"| {found.name} | {_NAMES[found.database]} | {size} | {_duration(found.seconds)} "
            f"| {floor} | {_figure(found)} | {_bar(found)} | {'' if found.holds else 'missed'} |"
        )


def _growth_table(growth: Sequence[Growth]) -> Iterator[str]:
    yield "| What | Database | Sizes | Time for each | Peak memory | For 4 times the input |"
    yield "| --- | --- | ---: | ---: | ---: | ---: |"
    ordered = sorted(growth, key=lambda found: (KINDS.index(found.database), found.name))
    for (database, name), members in groupby(ordered, key=lambda g: (g.database, g.name)):
        sizes = sorted(members, key=lambda found: found.items)
        factors = [b.peak_mib / a.peak_mib for a, b in pairwise(sizes)]
        yield (
            f"| {name} | {_NAMES[database]} "
            f"| {' · '.join(f'{g.items:,}' for g in sizes)} {sizes[0].unit} "
            f"| {' · '.join(_duration(g.seconds / g.items) for g in sizes)} "
            f"| {' · '.join(f'{g.peak_mib:.0f}' for g in sizes)} MiB "
            f"| {' · '.join(f'{factor:.2f}' for factor in factors)} {TIMES_SIGN}"
            f"{'' if factors[-1] <= BAR else ' (missed)'} |"
        )


def _figure(found: Measurement) -> str:
    if found.ratio is None:
        return f"{found.rate:,.0f} {found.unit}/s"
    return f"{found.ratio:.2f} {TIMES_SIGN}"


def _bar(found: Measurement) -> str:
    if found.bar is None:
        return "-"
    return f"≥ {found.bar:,.0f}" if found.ratio is None else f"≤ {found.bar:g} {TIMES_SIGN}"


def _duration(seconds: float) -> str:
    for unit, least in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= least:
            return f"{seconds / least:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"
