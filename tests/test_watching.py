"""``billing dashboard --watch`` on a real terminal: it stays in place, and gives it back."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING, Final

from tests.commands.support import session, take_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.command_line import Billing

NOW: Final = "2025-02-10T00:00:00Z"
_PATIENCE_SECONDS: Final = 60


class Terminal:
    """A command on a terminal of a size that can change."""

    def __init__(self, run: Billing, *arguments: str) -> None:
        """Start it."""
        self._screen, inner = pty.openpty()
        self.resize(80, 24)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "billing_cli", *arguments],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            cwd=run.work,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(run.work),
                "BILLING_DATABASE_URL": run.database,
                "BILLING_AT": NOW,
                "TERM": "xterm-256color",
                "LANG": "C.UTF-8",
            },
        )
        os.close(inner)
        os.set_blocking(self._screen, False)
        self.shown = ""

    def resize(self, width: int, height: int) -> None:
        """Give the terminal another size."""
        fcntl.ioctl(self._screen, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def wait_for(self, condition: Callable[[str], bool]) -> str:
        """Read until what was printed fulfils a condition."""
        until = time.monotonic() + _PATIENCE_SECONDS
        while not condition(self.shown):
            assert time.monotonic() < until, self.shown
            try:
                self.shown += os.read(self._screen, 65_536).decode()
            except BlockingIOError:
                time.sleep(0.02)
            except OSError:  # Linux says so when the other end is closed.
                break
        return self.shown

    def end(self) -> int:
        """Read what is left and return the exit code."""
        code = self.process.wait(_PATIENCE_SECONDS)
        self.wait_for(lambda _: False)
        os.close(self._screen)
        return code


def test_it_draws_in_place_until_ctrl_c(sqlite_billing: Billing) -> None:
    take_in(sqlite_billing, *session("2025-02-01T00:00:00Z", "2025-02-11T00:00:00Z"), at=NOW)
    terminal = Terminal(sqlite_billing, "dashboard", "--watch", "1")
    terminal.wait_for(lambda text: text.count("\x1b[?2026l") >= 2)
    terminal.resize(160, 50)
    terminal.process.send_signal(signal.SIGWINCH)
    wide = "2025-02-01 to 2025-03-01"
    shown = terminal.wait_for(lambda text: wide in text.split("\x1b[?2026h")[-1])
    frames = shown.split("\x1b[?2026h")
    # Each frame begins at the top left and clears only what it does not write over.
    assert all(frame.startswith("\x1b[H") for frame in frames[1:])
    assert "\x1b[2J" not in shown
    assert wide not in frames[1]
    assert frames[1].count("\n") < 24
    assert "ann" in frames[1]
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 0
    assert terminal.shown.rstrip().endswith("\x1b[?25h\x1b[?1049l")


def test_being_ended_gives_the_screen_back(sqlite_billing: Billing) -> None:
    terminal = Terminal(sqlite_billing, "dashboard", "--watch", "30")
    terminal.wait_for(lambda text: "\x1b[?2026l" in text)
    terminal.process.terminate()
    assert terminal.end() == 128 + signal.SIGTERM
    assert terminal.shown.rstrip().endswith("\x1b[?25h\x1b[?1049l")
