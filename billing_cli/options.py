"""The options that commands share, and what turns their text into dates, instants and spans."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Final, TypeAlias

import typer

from billing_cli import completion
from billing_cli.errors import UsageError
from billing_cli.logs import LogFormat
from billing_cli.output import OutputFormat
from billing_cli.pricing.excerpts import quoted

# What is answered for: what lies a month before the year 2, or a day after 9999, has no date.
_SECONDS: Final = range(-62_072_524_800, 253_370_764_800)
_YEARS: Final = range(3, 9999)
_EARLIEST: Final = f"the year {_YEARS[0]} is the first"
_LATEST: Final = f"the year {_YEARS[-1]} is the last"
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PERIOD: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")

OutputOption: TypeAlias = Annotated[
    OutputFormat,
    typer.Option("--output", "-o", case_sensitive=False, help="How to print the result."),
]
DryRunOption: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")
]
UserOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--user",
        "-u",
        metavar="USER",
        help="Only this user.",
        autocompletion=completion.users,
    ),
]
UsersOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--user",
        "-u",
        metavar="USER",
        help="Only this user; may be repeated.",
        autocompletion=completion.users,
    ),
]
PeriodOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--period",
        metavar="YYYY-MM",
        help="The billing period that starts in this month.",
        autocompletion=completion.periods,
    ),
]
FromOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--from", metavar="YYYY-MM-DD", help="First local date; needs --to."),
]
ToOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--to", metavar="YYYY-MM-DD", help="Last local date, included; needs --from."),
]
UntilOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--until", metavar="INSTANT", help="Up to this moment (default: now)."),
]
FromInstantOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--from", metavar="INSTANT", help="From this moment on (default: now)."),
]

LogFormatOption: TypeAlias = Annotated[
    LogFormat | None,
    typer.Option(
        "--log-format",
        envvar="BILLING_LOG_FORMAT",
        case_sensitive=False,
        help="Log what is done, in this form.",
    ),
]
LogFileOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--log-file",
        metavar="FILE",
        envvar="BILLING_LOG_FILE",
        help="Log what is done to this file, not to stderr.",
    ),
]
VerboseOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", envvar="BILLING_VERBOSE", help="Log what is done, in more detail."
    ),
]


def parse_date(text: str, option: str) -> date:
    """Return the date that ``text`` (YYYY-MM-DD) names; UsageError names ``option`` if none."""
    if _DATE.fullmatch(text):
        try:
            found = date.fromisoformat(text)
        except ValueError:
            pass
        else:
            _require_within(found.year, _YEARS, text, option)
            return found
    raise UsageError(
        f"{option}: {quoted(text)} is not a date", "write it as YYYY-MM-DD, such as 2025-01-31"
    )


def parse_period(text: str, option: str = "--period") -> str:
    """Return ``text`` if it has the form of a period's name (YYYY-MM); UsageError if not."""
    if _PERIOD.fullmatch(text):
        _require_within(int(text[:4]), _YEARS, text, option)
        return text
    raise UsageError(
        f"{option}: {quoted(text)} is not a billing period",
        "write the month it starts in as YYYY-MM, such as 2025-01",
    )


def parse_moment(text: str, option: str) -> int:
    """Return the whole second of the RFC 3339 instant ``text``; UsageError names ``option``."""
    from billing_cli.pricing.instants import parse_instant

    try:
        second, _fraction = parse_instant(text)
    except ValueError as error:
        raise UsageError(
            f"{option}: {error}", "write it as RFC 3339 with a zone, such as 2025-01-01T00:00:00Z"
        ) from error
    _require_within(second, _SECONDS, text, option)
    return second


def _require_within(number: int, known: range, text: str, option: str) -> None:
    if number < known[0]:
        raise UsageError(f"{option}: {text} is too early", _EARLIEST)
    if number > known[-1]:
        raise UsageError(f"{option}: {text} is too late", _LATEST)


def parse_date_or_moment(text: str, option: str) -> date | int:
    """Return the local date, or the whole second of an instant, that ``text`` names."""
    return parse_date(text, option) if _DATE.fullmatch(text) else parse_moment(text, option)


def parse_reason(text: str, kept_with: str, option: str = "--reason") -> str:
    """Return why something is done; UsageError where nothing is said."""
    if not text.strip():
        raise UsageError(f"{option} is empty", f"say why: it is kept with {kept_with}")
    return parse_text(text, option)


def parse_text(text: str, option: str) -> str:
    """Return a text that is to be kept; UsageError for bytes that are none."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"{option} is not UTF-8", "write it in the terminal's encoding") from error
    return text


def parse_span(
    period: str | None, first: str | None, last: str | None
) -> str | tuple[date, date] | None:
    """Return what ``--period``, ``--from`` and ``--to`` ask for together.

    That is a period's name, the first and last local date (both included), or None when none
    of the three is given. Raises UsageError when they contradict each other.
    """
    if period is not None and (first is not None or last is not None):
        raise UsageError(
            "--period cannot be combined with --from and --to",
            "name a period, or the first and the last date",
        )
    if period is not None:
        return parse_period(period)
    if first is None and last is None:
        return None
    if first is None or last is None:
        given, missing = ("--to", "--from") if first is None else ("--from", "--to")
        raise UsageError(f"{given} needs {missing}", "give the first and the last date")
    dates = parse_date(first, "--from"), parse_date(last, "--to")
    if dates[0] > dates[1]:
        raise UsageError(f"--from {first} is after --to {last}", "give the earlier date first")
    return dates


def parse_open_span(
    period: str | None, first: str | None, last: str | None
) -> str | tuple[date | None, date | None] | None:
    """Return what :func:`parse_span` does, where one of ``--from`` and ``--to`` may be missing."""
    if (first is None) == (last is None) or period is not None:
        return parse_span(period, first, last)
    if first is not None:
        return parse_date(first, "--from"), None
    return None, parse_date(last or "", "--to")
