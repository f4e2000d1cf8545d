"""Running the command line as an operator does: in a process of its own, or faster in this one."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self
from unittest import mock

from tests.driver import build_tree_once

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# A command that takes longer than this hangs.
_TIMEOUT_SECONDS: Final = 120
# All that a command sees of the tests' own environment.
_INHERITED: Final = ("LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TMPDIR")


@dataclass(frozen=True, slots=True)
class Result:
    """What a command printed, and the code it ended with."""

    exit_code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """The value that stdout holds as JSON."""
        return json.loads(self.stdout)

    def ok(self) -> Self:
        """This result, which must be that of a command that did all it should."""
        assert self.exit_code == 0, f"exit code {self.exit_code}: {self.stderr}{self.stdout[:999]}"
        return self


@dataclass(frozen=True)
class CommandLine(ABC):
    """Runs ``billing --database URL ...`` with a home and a working directory of its own.

    Nothing of the machine is seen: not its settings, time zone, terminal or other databases.
    """

    folder: Path
    database: str
    environ: Mapping[str, str] = field(default_factory=dict)

    def __call__(
        self,
        *arguments: str | Path,
        at: str | None = None,
        stdin: str | bytes = b"",
        environ: Mapping[str, str] | None = None,
    ) -> Result:
        """Run one command; ``at`` is the instant it takes for now."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        return self._run(self._arguments(arguments, at), data, self._environ(environ or {}))

    @property
    def work(self) -> Path:
        """The working directory of the commands."""
        return self._folder("work")

    def configure(self, **keys: object) -> Path:
        """Write the config file that the commands find in their working directory."""
        path = self.work / "billing.json"
        path.write_text(json.dumps(keys), encoding="utf-8")
        return path

    @abstractmethod
    def _run(self, arguments: list[str], stdin: bytes, environ: dict[str, str]) -> Result: ...

    def _arguments(self, arguments: tuple[str | Path, ...], at: str | None) -> list[str]:
        moment = [] if at is None else ["--at", at]
        return ["--database", self.database, *moment, *map(str, arguments)]

    def _environ(self, more: Mapping[str, str]) -> dict[str, str]:
        home = self._folder("home")
        return {
            **{name: os.environ[name] for name in _INHERITED if name in os.environ},
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_DATA_HOME": str(home / ".local" / "share"),
            "TZ": "UTC",
            "LANG": "C.UTF-8",
            "COLUMNS": "100",
            **self.environ,
            **more,
        }

    def _folder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


class Billing(CommandLine):
    """Runs each command in a process of its own, as in a shell."""

    def start(
        self,
        *arguments: str | Path,
        at: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """Start a command and leave it running; whoever starts it waits for it, or kills it."""
        return subprocess.Popen(
            [sys.executable, "-m", "billing_cli", *self._arguments(arguments, at)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=self._environ(environ or {}),
            cwd=self.work,
        )

    def _run(self, arguments: list[str], stdin: bytes, environ: dict[str, str]) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "billing_cli", *arguments],
            input=stdin,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
            env=environ,
            cwd=self.work,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


class Invoke(CommandLine):
    """Runs each command in this process: some fifty times faster, and seen by coverage.

    An exception that nobody expects comes through as it is.
    """

    def _run(self, arguments: list[str], stdin: bytes, environ: dict[str, str]) -> Result:
        with (
            mock.patch.dict(os.environ, environ, clear=True),
            mock.patch.object(sys, "argv", ["billing", *arguments]),
            contextlib.chdir(self.work),
            _standard_streams(stdin) as (stdout, stderr),
        ):
            code = _exit_code()
            sys.stdout.flush()
            sys.stderr.flush()
            return Result(code, stdout.getvalue().decode(), stderr.getvalue().decode())


@contextlib.contextmanager
def _standard_streams(stdin: bytes) -> Iterator[tuple[io.BytesIO, io.BytesIO]]:
    """Put files in memory in the place of the three streams, of the same types as real ones."""
    stdout, stderr = io.BytesIO(), io.BytesIO()
    with (
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")),
        mock.patch.object(sys, "stdout", io.TextIOWrapper(stdout, encoding="utf-8")),
        mock.patch.object(
            sys, "stderr", io.TextIOWrapper(stderr, "utf-8", errors="backslashreplace")
        ),
    ):
        yield stdout, stderr


def _exit_code() -> int:
    # Imported here so that a fault in a command fails the tests that run one, not all.
    from billing_cli.main import main

    build_tree_once()
    try:
        main()
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        sys.stderr.write(f"{error.code}\n")
        return 1
    return 0
