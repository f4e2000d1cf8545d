"""Telling a program of an event: its JSON on standard input, exit status 0 for done."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final

from billing_cli.gateway.outcomes import DELIVERED, Outcome, failed, shown, unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

# All that a program sees of this one's environment: no secret is kept under these names.
_INHERITED: Final = (
    "HOME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "SYSTEMROOT",
    "TMPDIR", "TZ", "USER",
)  # fmt: skip
_READ_BYTES: Final = 4096


class CommandSink:
    """Runs a program for each event, without a shell."""

    def __init__(self, words: tuple[str, ...], timeout: int) -> None:
        """Keep what to run: a program and its arguments."""
        self._words = words
        self._timeout = timeout

    def send(self, body: bytes, variables: Mapping[str, str]) -> Outcome:
        """Run the program and wait for its end; it and what it started is killed when late."""
        environ = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as given:
            # A file, and no pipe: a program that does not read must not keep anybody waiting.
            given.write(body)
            given.seek(0)
            try:
                process = subprocess.Popen(
                    self._words,
                    stdin=given,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    env={**environ, **variables},
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                why = getattr(error, "strerror", None) or "it cannot be started"
                return unreachable(f"{self._words[0]}: {why}")
            try:
                code = process.wait(self._timeout)
            except subprocess.TimeoutExpired:
                _kill(process)
                return failed(f"{self._words[0]} was not done within {self._timeout} s")
            except BaseException:
                _kill(process)
                raise
            if code == 0:
                return DELIVERED
            return failed(f"{self._words[0]} ended with {_status(code)}{_last_line(said)}")

    def close(self) -> None:
        """Do nothing: no program is left running."""


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a program that runs, and what it has started."""
    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _status(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"status {code}"


def _last_line(said: IO[bytes]) -> str:
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - _READ_BYTES))
    lines = said.read().decode(errors="replace").strip().splitlines()
    return f": {shown(lines[-1])}" if lines else ""
