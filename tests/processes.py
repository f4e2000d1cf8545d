"""Commands in processes that start at once, can be killed at any step, and tell their memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from billing_cli.store import engine
from tests.driver import Command
from tests.shortcuts import unsynced

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PROJECT: Final = Path(__file__).parent.parent
_POLL_SECONDS: Final = 0.001
# A process that is killed loses nothing that it has written: only a machine that loses its power
# would. Waiting for the disk would make these tests slow and prove nothing.
_UNSYNCED: Final = {
    "billing_cli.store.engine._SQLITE_PRAGMAS": unsynced(
        engine._SQLITE_PRAGMAS  # noqa: SLF001 - all others as they are
    )
}
SMALL_BATCHES: Final[Mapping[str, object]] = {
    "billing_cli.services.events._BATCH_EVENTS": 60,
    "billing_cli.services.sessions._BATCH_SESSIONS": 12,
    "billing_cli.services.pacing._FEW_RECORDS": 1_000,
    "billing_cli.services.pacing._MANY_RECORDS": 4_000,
    "billing_cli.services.records._RESLICED_SESSIONS": 8,
    "billing_cli.services.billing_run._BATCH_USERS": 4,
    "billing_cli.store.unit_of_work._STREAM_ROWS": 50,
}
"""Batches so small that few events make many."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its exit code (negative: killed by that signal), and what it said."""

    code: int
    stdout: str
    stderr: str
    steps: str
    peak_kib: int

    def ok(self) -> Self:
        """This end, which must be that of a command that did all it should."""
        assert self.code == 0, f"exit code {self.code}: {self.stderr}"
        return self

    def json(self) -> Any:
        """The value that stdout holds as JSON."""
        return json.loads(self.stdout)

    @property
    def killed(self) -> bool:
        """Whether it was killed."""
        return self.code == -signal.SIGKILL


@dataclass(frozen=True)
class Running:
    """A process that was started."""

    processes: Processes
    id: int
    folder: Path

    def kill(self) -> None:
        """Kill it and all that it may have started."""
        os.killpg(self.id, signal.SIGKILL)

    def done(self) -> int:
        """How many commits it has made so far."""
        try:
            return (self.folder / "steps").read_text("ascii").count("d")
        except FileNotFoundError:
            return 0

    def await_commits(self, wanted: int, limit_seconds: float = 60) -> None:
        """Return when it has made so many commits, or has gone on long enough without."""
        until = time.monotonic() + limit_seconds
        while self.done() < wanted and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)

    def wait(self) -> Ended:
        """Wait for its end."""
        end = self.processes.ask(wait=self.id)
        out, err, steps = (
            (self.folder / name).read_text("utf-8") if (self.folder / name).exists() else ""
            for name in ("out", "err", "steps")
        )
        return Ended(end["code"], out, err, steps, end["peak_kib"])


class Processes:
    """Starts commands through :mod:`tests.driver`, each in a folder of its own."""

    def __init__(self, driver: subprocess.Popen[str], folder: Path) -> None:
        self._driver = driver
        self._folder = folder
        self._numbers = count(1)

    def ask(self, **request: object) -> Any:
        """Send a request to the driver and return its answer."""
        assert self._driver.stdin
        assert self._driver.stdout
        self._driver.stdin.write(json.dumps(request) + "\n")
        self._driver.stdin.flush()
        return json.loads(self._driver.stdout.readline())

    def on(self, url: str, **more: Any) -> CommandOn:
        """What runs commands on a database."""
        return CommandOn(self, url, **more)

    def start(self, command: Command) -> Running:
        """Start a command; whoever starts it waits for it."""
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        started = replace(command, folder=str(folder))
        return Running(self, self.ask(start=asdict(started)), folder)


@dataclass(frozen=True)
class CommandOn:
    """Runs ``billing --database URL --at AT …`` in processes; see :class:`Processes`.

    ``constants`` are put in the place of those of modules, besides what makes SQLite not wait for
    the disk; ``config`` is a config file.
    """

    processes: Processes
    url: str
    at: str | None = None
    config: Path | None = None
    constants: Mapping[str, object] | None = None

    def start(self, *words: str | Path, kill: tuple[str, int] | None = None) -> Running:
        """Start a command, to be killed at a step (see :class:`tests.driver.Steps`) if wanted."""
        constants = SMALL_BATCHES if self.constants is None else self.constants
        moment = () if self.at is None else ("--at", self.at)
        config = () if self.config is None else ("--config", self.config)
        arguments = ["--database", self.url, *moment, *config, *words]
        environ = {"HOME": os.devnull, "LANG": "C.UTF-8", "PATH": os.environ["PATH"]}
        return self.processes.start(
            Command([*map(str, arguments)], "", environ, {**_UNSYNCED, **constants}, kill)
        )

    def __call__(self, *words: str | Path, kill: tuple[str, int] | None = None) -> Ended:
        """Run a command to its end."""
        return self.start(*words, kill=kill).wait()


@contextmanager
def processes(folder: Path) -> Iterator[Processes]:
    """Give what starts processes."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.driver"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        cwd=_PROJECT,
    ) as driver:
        yield Processes(driver, folder)
        assert driver.stdin
        driver.stdin.close()
