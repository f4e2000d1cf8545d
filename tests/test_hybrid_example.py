"""The hybrid month of ``make demo``, worked out again without anything of the program.

Every second of the trace is looked at where the number of running cores changes: what is above
the plan's limit is added up as whole core-seconds.
"""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.commands.support import lines_of
from tests.documents import text_of

if TYPE_CHECKING:
    from tests.command_line import Invoke

EXAMPLES: Final = Path(__file__).parent.parent / "examples"
USER: Final = "user-007"
CHANGE: Final = "1993-11-15T12:00:00Z"
# From these moments on so many cores are included, and half as many GB: a core has 512 MiB.
INCLUDED: Final = (("1993-11-01T00:00:00Z", 32), (CHANGE, 96))
END: Final = "1993-12-01T00:00:00Z"


def second(text: str) -> int:
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp())


def changes() -> dict[int, int]:
    """By how many cores the user's use changes at each second."""
    cores: dict[str, int] = {}
    found: dict[int, int] = {}
    with gzip.open(EXAMPLES / "nasa-ipsc-1993.jsonl.gz", "rt", encoding="utf-8") as lines:
        events = [json.loads(line) for line in lines]
    events.sort(key=lambda one: (one["timestamp"], one["event"] != "session.created"))
    for one in events:
        data, at = one["data"], second(one["timestamp"])
        if one["event"] == "session.created" and data["user"] == USER:
            cores[data["id"]] = int(data["resources"]["cpu"])
            found[at] = found.get(at, 0) + cores[data["id"]]
        elif one["event"] == "session.terminated" and data["id"] in cores:
            found[at] = found.get(at, 0) - cores.pop(data["id"])
    return found


def core_seconds_above() -> int:
    """Core-seconds of November above what was included at each of them."""
    steps = changes()
    limits = {second(since): included for since, included in INCLUDED}
    start, end = min(limits), second(END)
    running = sum(delta for at, delta in steps.items() if at < start)
    moments = sorted({at for at in {*steps, *limits} if start <= at < end})
    total, limit = 0, 0
    for at, following in zip(moments, [*moments[1:], end], strict=True):
        running += steps.get(at, 0)
        limit = limits.get(at, limit)
        total += max(0, running - limit) * (following - at)
    return total


def cents(amount: Fraction) -> int:
    return int(amount * 100 + Fraction(1, 2))


@pytest.mark.no_cover  # much of what other tests have little of
def test_the_hybrid_invoice_is_what_the_trace_says(sqlite_invoke: Invoke) -> None:
    run = sqlite_invoke
    environ = {"BILLING_CONFIG": str(EXAMPLES / "hybrid.json")}

    def do(*words: str, at: str) -> None:
        run(*words, at=at, environ=environ).ok()

    do("user", "import", str(EXAMPLES / "hybrid-users.csv"), at="1993-10-01T00:00:00Z")
    do("subscription", "change", "--user", USER, "--plan", "lab", at=CHANGE)
    do("meter", "ingest", str(EXAMPLES / "nasa-ipsc-1993.jsonl.gz"), at=END)
    do("invoice", "generate", "--period", "1993-11", "--user", USER, "--finalize", at=END)
    core_hours = Fraction(core_seconds_above(), 3_600)
    seconds = second(END) - second(INCLUDED[0][0])
    held = second(CHANGE) - second(INCLUDED[0][0])
    expected = [
        cents(Fraction(30 * held, seconds)),
        12_000 - cents(Fraction(120 * held, seconds)),
        cents(core_hours / 20),
        cents(core_hours / 2 / 100),
    ]
    found = [round(float(amount) * 100) for *_, amount in lines_of(run, "1")]
    assert found == expected
    assert sum(expected) == 13_098
    do("invoice", "pdf", "1", at=END)
    text = text_of((run.work / "INV-1993-000001.pdf").read_bytes())
    assert "Example Computing Centre 1 Hypercube Road" in text
    assert "Total $130.98" in text
