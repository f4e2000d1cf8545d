"""Terminal sessions in Markdown: run again as a reader would, on a terminal of 80 columns.

A session is a ``console`` block under the comment ``<!-- runnable -->``, whose commands go on
where the block before left off, or ``<!-- runnable from nothing -->``. A command follows ``$ ``,
its output stands below it. To write down what the commands print now::

    python -m tests.transcripts README.md
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.forked_program import forked_program

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parent.parent

_BLOCK: Final = re.compile(
    r"(?P<mark><!-- runnable(?P<fresh> from nothing)? -->\n)```console\n(?P<text>.*?)```\n",
    re.DOTALL,
)
_LINES_AND_COLUMNS: Final = (24, 80)
# Where the real program is.
_INSTALLED: Final = Path(sys.executable).parent


@dataclass
class Terminal:
    """A reader's terminal, in a folder that has the examples, with nothing else of the machine.

    Programs are looked for in the folder ``programs`` first.
    """

    folder: Path
    programs: Path = _INSTALLED
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shutil.copytree(ROOT / "examples", self.folder / "examples", dirs_exist_ok=True)
        self.environ = {
            "HOME": str(self.folder / "home"),
            "PATH": os.pathsep.join(map(str, (self.programs, _INSTALLED, os.environ["PATH"]))),
            # Without colours, and without a progress bar that is gone before it is read.
            "TERM": "dumb",
            "LANG": "C.UTF-8",
        }

    def run(self, command: str) -> str:
        """Return what a command prints, as the terminal shows it, without spaces at line ends."""
        if command.startswith("export "):
            for word in shlex.split(command)[1:]:
                name, _, self.environ[name] = word.partition("=")
            return ""
        if command.startswith("unset "):
            for name in shlex.split(command)[1:]:
                self.environ.pop(name, None)
            return ""
        # The programs of a pipeline write side by side: what they say on standard error comes
        # first, whichever is quicker.
        piped = " | " in command
        screen, said = _Screen(), _Screen() if piped else None
        process = subprocess.Popen(
            ["sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=screen.terminal,
            stderr=said.terminal if said else screen.terminal,
            env=self.environ,
            cwd=self.folder,
        )
        output = (said.read() if said else b"") + screen.read()
        process.wait()
        lines = output.decode().replace("\r\n", "\n").splitlines()
        return "".join(f"{line.rstrip()}\n" for line in lines)


class _Screen:
    """A terminal of 80 columns, and a thread that reads what it shows."""

    def __init__(self) -> None:
        self._shown, self.terminal = pty.openpty()
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("4H", *_LINES_AND_COLUMNS, 0, 0))
        self._output = b""
        self._reader = threading.Thread(target=self._follow)
        self._reader.start()

    def _follow(self) -> None:
        self._output = b"".join(_pieces(self._shown))

    def read(self) -> bytes:
        """Close this side of the terminal and return what was shown until the programs ended."""
        os.close(self.terminal)
        self._reader.join()
        os.close(self._shown)
        return self._output


def _pieces(descriptor: int) -> Iterator[bytes]:
    """Yield what arrives until the last program has closed its side."""
    while True:
        try:
            piece = os.read(descriptor, 65536)
        except OSError:  # how Linux says that a terminal has been closed
            return
        if not piece:
            return
        yield piece


def commands(block: str) -> list[str]:
    """Return the commands of a block; one goes on in the next line after a backslash."""
    return [
        found.removeprefix("$ ").rstrip("\n")
        for found in re.findall(r"^\$ (?:.*\\\n)*.*\n", block, re.MULTILINE)
    ]


def rerun(markdown: str, folder: Path, programs: Path = _INSTALLED) -> str:
    """Return ``markdown`` with the output that its runnable commands have now.

    ``programs`` is where the program is looked for: see :mod:`tests.forked_program`.
    """
    terminal: Terminal | None = None
    count = 0

    def replayed(block: re.Match[str]) -> str:
        nonlocal terminal, count
        if terminal is None or block["fresh"]:
            count += 1
            terminal = Terminal(folder / str(count), programs)
        shown = "".join(
            f"$ {command}\n{terminal.run(command)}" for command in commands(block["text"])
        )
        return f"{block['mark']}```console\n{shown}```\n"

    return _BLOCK.sub(replayed, markdown)


def rewrite(path: Path) -> None:
    """Write into a Markdown file what its runnable commands print now."""
    with tempfile.TemporaryDirectory() as folder, forked_program() as programs:
        text = rerun(path.read_text(encoding="utf-8"), Path(folder), programs)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        rewrite(Path(name))
