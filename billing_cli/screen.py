"""Prints lines of styled text: once, or again and again in the same place.

Beside :mod:`billing_cli.output` the one place that writes to the terminal.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from billing_cli.errors import UnavailableError, UsageError
from billing_cli.output import emit_text, has_colour, is_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    from billing_cli.lines import Line

# The other screen, without a cursor; and back again.
_ENTER: Final = "\x1b[?1049h\x1b[?25l"
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
# The terminal shows what comes between these two at once, where it can.
_BEGIN: Final = "\x1b[?2026h\x1b[H"
_END: Final = "\x1b[J\x1b[?2026l"
_CLEAR_REST: Final = "\x1b[K"
_TERMINATED: Final = 128 + signal.SIGTERM


@dataclass(frozen=True, slots=True)
class Screen:
    """Where results are printed: a terminal of so many cells, which may show colours, or a file."""

    width: int
    height: int
    terminal: bool
    colour: bool
    dumb: bool


def screen() -> Screen:
    """Return what stdout is now."""
    size = shutil.get_terminal_size()
    dumb = os.environ.get("TERM", "dumb") == "dumb"
    terminal = is_terminal(sys.stdout)
    return Screen(size.columns, size.lines, terminal, has_colour(sys.stdout), dumb)


def emit_lines(lines: Sequence[Line]) -> None:
    """Print lines, styled where stdout is a terminal with colours."""
    emit_text(rendered(lines, colour=has_colour(sys.stdout)))


def rendered(lines: Sequence[Line], *, colour: bool) -> str:
    """Return lines as text, with escape sequences for their styles where there is ``colour``."""
    if not colour:
        return "".join("".join(text for text, _ in line).rstrip() + "\n" for line in lines)
    from rich.console import Console
    from rich.text import Text

    drawing = io.StringIO()
    console = Console(file=drawing, force_terminal=True, color_system="auto", width=10_000)
    for line in lines:
        # Text, and never a string: rich would look for markup in it.
        console.print(Text.assemble(*line), no_wrap=True, crop=False, soft_wrap=True)
    return drawing.getvalue()


def require_watchable() -> None:
    """Raise UsageError unless stdout is a terminal on which a picture can stay in place."""
    now = screen()
    if not now.terminal or now.dumb:
        raise UsageError(
            "--watch needs a terminal on which the cursor can be moved",
            "leave it out, or let cron, watch(1) or a loop run the command",
        )


def watch(draw: Callable[[], Sequence[Line]], seconds: int) -> None:
    """Draw again every so many seconds, and when the size changes, until Ctrl-C.

    While the database cannot be reached, the last picture stays, with the reason below.
    """
    lines: Sequence[Line] = []
    with _whole_screen() as wake:
        while True:
            try:
                lines, trouble = draw(), None
            except UnavailableError as error:
                trouble = error.message
            size = screen()
            shown = [*lines[: size.height - 1]]
            if trouble is not None:
                shown = [*shown[: size.height - 2], [(f"not up to date: {trouble}", "bold red")]]
            text = rendered(shown, colour=size.colour).removesuffix("\n")
            emit_text(f"{_BEGIN}{text.replace(chr(10), _CLEAR_REST + chr(10))}{_CLEAR_REST}{_END}")
            wake.wait(seconds)
            wake.clear()


@contextmanager
def _whole_screen() -> Iterator[threading.Event]:
    """Take the whole screen, and give it back however this ends: Ctrl-C is the usual way.

    The event is set when the size of the screen changes.
    """
    wake = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        sys.exit(_TERMINATED)

    before = {
        signal.SIGWINCH: signal.signal(signal.SIGWINCH, lambda *_: wake.set()),
        signal.SIGTERM: signal.signal(signal.SIGTERM, end),
    }
    emit_text(_ENTER)
    try:
        yield wake
    except KeyboardInterrupt:
        return
    finally:
        emit_text(_LEAVE)
        for number, handler in before.items():
            signal.signal(number, handler)
