"""Log lines: what was done, one line each, for those who were not there.

Logging is off unless ``--log-format``, ``--log-file`` or ``--verbose`` asks for it. Results and
messages of commands stay what they are. To a file go log lines, and the warnings and errors that
the operator is told, too; in JSON on stderr, everything that is said there becomes a JSON object a
line. Fields are ids, counts and texts that commands show anyway: never settings, so never secrets.

:func:`start` is the one place where this is set up, by :mod:`billing_cli.main`.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final

from billing_cli.harmless import json_text, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_MODE: Final = 0o640


class LogFormat(StrEnum):
    """How log lines are written."""

    TEXT = "text"
    JSON = "json"


class Level(IntEnum):
    """How much a line matters."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


@dataclass
class Log:
    """Writes log lines to ``file``, or by ``say`` to stderr; writes none where ``on`` is false.

    ``now_ms`` tells the real time in milliseconds of UTC since 1970. ``context`` is in every line.
    """

    on: bool = False
    fmt: LogFormat = LogFormat.TEXT
    file: str | None = None
    verbose: bool = False
    now_ms: Callable[[], int] = lambda: 0
    say: Callable[[str], None] = lambda _: None
    context: Mapping[str, object] = field(default_factory=dict)
    _broken: bool = False

    def debug(self, text: str, **fields: object) -> None:
        """Log a detail, which is written with ``--verbose`` only."""
        self.write(Level.DEBUG, text, fields)

    def info(self, text: str, **fields: object) -> None:
        """Log something that was done."""
        self.write(Level.INFO, text, fields)

    def warning(self, text: str, **fields: object) -> None:
        """Log something that somebody should look at."""
        self.write(Level.WARNING, text, fields)

    def error(self, text: str, **fields: object) -> None:
        """Log something that failed."""
        self.write(Level.ERROR, text, fields)

    def write(self, level: Level, text: str, fields: Mapping[str, object]) -> None:
        """Write a line, if lines of this level are wanted."""
        if not self.on or (level == Level.DEBUG and not self.verbose):
            return
        line = self._line(level, text, {**self.context, **fields})
        if self.file is None or self._broken:
            self.say(line)
            return
        try:
            _append(self.file, line)
        except OSError as error:
            # What is to be done matters more than where it is told.
            self._broken = True
            self.say(f"warning: cannot write the log {self.file}: {error.strerror or error}")
            self.say(line)

    @contextmanager
    def told(self, **fields: object) -> Iterator[None]:
        """Put fields into every line while the block lasts."""
        before = self.context
        self.context = {**before, **fields}
        try:
            yield
        finally:
            self.context = before

    @property
    def takes_messages(self) -> bool:
        """Whether what is said on stderr goes through here instead: it is all to be JSON."""
        return self.on and self.file is None and self.fmt is LogFormat.JSON

    @property
    def keeps_complaints(self) -> bool:
        """Whether warnings and errors are to be logged besides being said on stderr."""
        return self.on and self.file is not None

    def _line(self, level: Level, text: str, fields: Mapping[str, object]) -> str:
        moment = datetime.fromtimestamp(self.now_ms() / 1000, UTC)
        at = moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
        name = level.name.lower()
        known = {key: value for key, value in fields.items() if value is not None}
        if self.fmt is LogFormat.JSON:
            return json_text({"time": at, "level": name, "message": text, **known})
        words = "".join(f" {key}={_word(value)}" for key, value in known.items())
        return f"{at} {name:<7} {visible(text)}{words}"


def _word(value: object) -> str:
    """Return a value as one word of a text line: in quotes where it would be several."""
    if isinstance(value, str) and value and not any(c.isspace() or c in '"=' for c in value):
        return visible(value)
    return json_text(value)


def _append(file: str, line: str) -> None:
    # Opened for each line: a file that was moved away in between is begun anew, so rotating it
    # needs no signal, and lines of several processes do not mix.
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _MODE)
    try:
        os.write(descriptor, line.encode("utf-8", "backslashreplace") + b"\n")
    finally:
        os.close(descriptor)


_current = Log()


def current() -> Log:
    """Return the log of this process."""
    return _current


def start(log: Log) -> Log:
    """Make this the log of this process."""
    global _current  # noqa: PLW0603 - a process has one stderr, and one log
    _current = log
    return log
