"""Session events as a busy StreamSpace sends them: seeded, so every run measures the same bytes."""

from __future__ import annotations

import heapq
import random
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from billing_cli.pricing.instants import format_instant, parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START: Final = parse_instant("2025-01-01T00:00:00Z")[0]
"""The first instant of the month that all measurements are about."""

_SEED: Final = 20250101
_EVENTS_PER_USER: Final = 200
_SESSIONS_AT_ONCE: Final = 2_000
_SIZES: Final = (("500m", "1Gi"), ("1000m", "2Gi"), ("2000m", "4Gi"), ("4", "8Gi"), ("8", "32Gi"))
_STORAGE: Final = ("10Gi", "20Gi", "50Gi", "100Gi")
_TEMPLATES: Final = ("ubuntu-xfce", "vscode", "jupyter", "firefox-browser", "blender", "gimp")
_BEAT: Final = 300


class Sizes(NamedTuple):
    """How large a session is, as Kubernetes writes it."""

    cpu: str
    memory: str
    storage: str

    def json(self) -> str:
        """Return the member of ``data`` that says so."""
        return (
            f',"resources":{{"cpu":"{self.cpu}","memory":"{self.memory}",'
            f'"storage":"{self.storage}"}}'
        )


class _Session(NamedTuple):
    id: str
    user: str
    template: str
    namespace: str


def write_events(path: Path, count: int) -> None:
    """Write ``count`` events to ``path`` as JSON Lines, in order of time, each with its own id."""
    source = random.Random(_SEED)
    users = [f"user-{number:05d}" for number in range(max(1, count // _EVENTS_PER_USER))]
    streams = [_endless(random.Random(source.random()), users) for _ in range(_SESSIONS_AT_ONCE)]
    with path.open("w", encoding="ascii") as file:
        file.writelines(line for _, line in islice(heapq.merge(*streams), count))


def created(session: str, user: str, second: int, sizes: Sizes) -> str:
    """Return the line of a ``session.created``, whose id is the session's."""
    return _line(
        session, "session.created", second, _Session(session, user, "vscode", "a"), sizes.json()
    )


def terminated(session: str, user: str, second: int) -> str:
    """Return the line of a ``session.terminated``."""
    return _line(f"{session}-end", "session.terminated", second, _Session(session, user, "", "a"))


def _endless(source: random.Random, users: list[str]) -> Iterator[tuple[float, str]]:
    """Yield the events of one session after another, with the times that put them in order."""
    second = START + source.random() * 3600
    while True:
        for second, kind, more, session in _life(source, users, second):  # noqa: B020 - goes on
            yield second, _line(_new_id(source), kind, int(second), session, more)
        second += source.expovariate(1 / 900)


def _life(
    source: random.Random, users: list[str], second: float
) -> Iterator[tuple[float, str, str, _Session]]:
    """Yield one session's events: an hour or two of beats, pauses, now and then another size."""
    session = _Session(
        str(UUID(int=source.getrandbits(128), version=4)),
        source.choice(users),
        source.choice(_TEMPLATES),
        f"team-{source.randrange(40)}",
    )
    yield second, "session.created", _random_sizes(source), session
    second += source.uniform(2, 40)
    yield second, "session.started", ',"state":"running"', session
    while True:
        for _ in range(source.randrange(4, 20)):
            second += _BEAT + source.random()
            yield second, "session.heartbeat", "", session
        second += source.random() * _BEAT
        turn = source.random()
        if turn < 0.3:
            yield second, "session.terminated", ',"state":"terminated"', session
            return
        if turn < 0.45:
            yield second, "resources.updated", _random_sizes(source), session
        else:
            yield second, "session.hibernated", ',"state":"hibernated"', session
            second += source.expovariate(1 / 7200)
            yield second, "session.woken", ',"state":"running"', session


def _line(event_id: str, kind: str, second: int, session: _Session, more: str = "") -> str:
    return (
        f'{{"id":"{event_id}","event":"{kind}","timestamp":"{_time(second)}",'
        f'"data":{{"id":"{session.id}","user":"{session.user}","template":"{session.template}",'
        f'"namespace":"{session.namespace}"{more}}},'
        f'"metadata":{{"source":"streamspace-controller","node":"worker-{second % 24:02d}",'
        f'"cluster":"eu-central-1a"}}}}\n'
    )


def _random_sizes(source: random.Random) -> str:
    return Sizes(*source.choice(_SIZES), source.choice(_STORAGE)).json()


def _new_id(source: random.Random) -> str:
    number = f"{source.getrandbits(128):032x}"
    return f"{number[:8]}-{number[8:12]}-{number[12:16]}-{number[16:20]}-{number[20:]}"


@cache
def _time(second: int) -> str:
    return format_instant(second)
