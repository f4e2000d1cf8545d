"""Real shells, in which tests type a line and press the tab key."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COMPLETIONS: Final = Path(__file__).parent.parent / "completions"


@dataclass
class Desk:
    """A folder with a filled database and a few files, and the environment of its shells."""

    folder: Path
    environ: dict[str, str]


def executable(shell: str) -> str:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    return found


class Typist:
    """An interactive shell on a terminal of its own, where keys are pressed.

    The tab key is set to insert every candidate, and another key to write the line to a file:
    so what the shell makes of the candidates is read from its own line, not off a screen.
    """

    PROMPT: Final = b"READY>"
    CLEAR, TAB, DUMP = b"\x15", b"\t", b"\x1b[99~"

    def __init__(self, arguments: list[str], desk: Desk, dumped: Path) -> None:
        self._dumped = dumped
        self._terminal, there = os.openpty()
        os.set_blocking(self._terminal, False)
        self._shell = subprocess.Popen(
            arguments,
            stdin=there,
            stdout=there,
            stderr=there,
            cwd=desk.folder,
            env=desk.environ,
            start_new_session=True,
        )
        os.close(there)
        self._seen = b""
        self._wait(lambda: self.PROMPT in self._seen)

    def complete(self, line: str) -> str:
        """Type a line and the tab key, and return what the line is then."""
        self._dumped.unlink(missing_ok=True)
        os.write(self._terminal, self.CLEAR + line.encode() + self.TAB + self.DUMP)
        self._wait(lambda: self._dumped.exists() and self._dumped.read_text().endswith("\n"))
        return self._dumped.read_text()[:-1]

    def close(self) -> None:
        self._shell.kill()
        self._shell.wait()
        os.close(self._terminal)

    def _wait(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not done():
            assert time.monotonic() < deadline, self._seen.decode(errors="replace")[-2000:]
            try:
                self._seen += os.read(self._terminal, 65536)
            except BlockingIOError:
                time.sleep(0.01)


def bash(desk: Desk, folder: Path) -> Iterator[Callable[[str], str]]:
    dumped = folder / "line"
    (folder / "bashrc").write_text(f"""
        source {COMPLETIONS / "billing.bash"}
        PS1='{Typist.PROMPT.decode()} '
        dump() {{ printf '%s\\n' "$READLINE_LINE" >{dumped}; }}
        bind -x '"\\e[99~": dump'
        bind 'TAB: insert-completions'
    """)
    arguments = ["--noprofile", "--rcfile", str(folder / "bashrc"), "-i"]
    typist = Typist([executable("bash"), *arguments], desk, dumped)
    yield typist.complete
    typist.close()


def zsh(desk: Desk, folder: Path) -> Iterator[Callable[[str], str]]:
    dumped = folder / "line"
    program = executable("zsh")
    Path(desk.environ["ZDOTDIR"], ".zshrc").write_text(f"""
        fpath=({COMPLETIONS} $fpath)
        autoload -Uz compinit && compinit -u -d {folder / "zcompdump"}
        PS1='{Typist.PROMPT.decode()} '
        dump() {{ print -r -- "$BUFFER" >{dumped} }}
        zle -N dump && bindkey '^[[99~' dump
        zle -C all complete-word _generic && bindkey '^I' all
        zstyle ':completion:all:*' completer _all_matches _complete
        zstyle ':completion:all:*' insert true
    """)
    typist = Typist([program, "--no-globalrcs", "-i"], desk, dumped)
    yield typist.complete
    typist.close()


def fish(desk: Desk, _folder: Path) -> Iterator[Callable[[str], str]]:
    program = executable("fish")

    def complete(line: str) -> str:
        script = f"source {COMPLETIONS / 'billing.fish'}; complete -C {shlex.quote(line)}"
        done = subprocess.run(
            [program, "--no-config", "-c", script],
            capture_output=True,
            check=True,
            cwd=desk.folder,
            env=desk.environ,
            encoding="utf-8",
        )
        assert done.stderr == ""
        words = [candidate.partition("\t")[0] for candidate in done.stdout.splitlines()]
        return f"{shlex.join(words_of(line)[:-1])} {shlex.join(words)}" if words else line

    yield complete


def words_of(line: str) -> list[str]:
    """Split a line as shells do; the quotes of the word at the cursor may still be open."""
    closing_quote = "'" if line.count("'") % 2 else ""
    return (
        shlex.split(f"{line}{closing_quote}")
        if not line.endswith(" ")
        else [*shlex.split(line), ""]
    )
