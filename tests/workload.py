"""Events of made-up sessions: seeded, so that every run has the same ones."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Final

from billing_cli.pricing.instants import format_instant, parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    Event = dict[str, Any]

HOUR: Final = 3_600
DAY: Final = 24 * HOUR
START: Final = parse_instant("2025-01-01T00:00:00Z")[0]


def sessions(seed: int, count: int, users: int, *, start: int, days: int) -> list[Event]:
    """The events of ``count`` sessions that begin in ``days`` days, in order of time.

    They last hours, are resized, hibernated, woken and ended. One in ten has an event that
    contradicts the others.
    """
    source = random.Random(seed)  # noqa: S311 - made up, not secret
    events = [
        event
        for number in range(count)
        for event in _session(
            source, seed, number, f"user-{source.randrange(users):03d}", start, days
        )
    ]
    return sorted(events, key=lambda event: (event["timestamp"], event["id"]))


def _session(
    source: random.Random, seed: int, number: int, user: str, start: int, days: int
) -> Iterator[Event]:
    session = f"session-{seed}-{number:05d}"
    moment = start + source.randrange(days * DAY)
    steps: list[tuple[str, dict[str, object]]] = [
        ("session.created", {"user": user, "resources": _sizes(source)}),
        ("resources.updated", {"resources": {"cpu": source.choice(["1500m", "3"])}}),
        ("session.hibernated", {}),
        ("session.heartbeat", {}),
        ("session.woken", {"user": user if source.random() > 0.1 else "somebody-else"}),
        ("session.terminated", {}),
    ]
    for kind, data in steps:
        yield event(kind, moment, session, **data)
        moment += source.randrange(1, 2 * HOUR)


def _sizes(source: random.Random) -> dict[str, str]:
    return {
        "cpu": source.choice(["500m", "1", "2"]),
        "memory": source.choice(["1Gi", "1500M", "4Gi"]),
        "storage": source.choice(["0", "10Gi"]),
    }


def event(kind: str, at: int, session: str, **data: object) -> Event:
    """An event in StreamSpace's form; its id follows from what it is."""
    return {
        "id": f"{session}/{at}/{kind}",
        "event": kind,
        "timestamp": format_instant(at),
        "data": {"id": session, **data},
    }


def write(path: Path, events: Iterable[Event | str]) -> Path:
    """Write events, or lines that are none, as JSON Lines."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in events)
    return path
