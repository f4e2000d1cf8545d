"""The shared options: what they accept, and what they say about the rest."""

from __future__ import annotations

from datetime import date

import pytest
import typer
from typer.testing import CliRunner

from billing_cli.errors import UsageError
from billing_cli.options import (
    OutputOption,
    UsersOption,
    parse_date,
    parse_moment,
    parse_period,
    parse_span,
)
from billing_cli.output import OutputFormat

app = typer.Typer()


@app.command()
def show(output: OutputOption = OutputFormat.TABLE, user: UsersOption = None) -> None:
    """Print what the options gave."""
    typer.echo(f"{output.value} {user}")


@pytest.mark.parametrize(
    ("arguments", "exit_code", "out"),
    [
        ([], 0, "table None\n"),
        (["-o", "JSONL", "-u", "a", "--user", "b"], 0, "jsonl ['a', 'b']\n"),
        (["--output", "xml"], 2, ""),
    ],
)
def test_options(arguments: list[str], exit_code: int, out: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stdout) == (exit_code, out)


def test_parse_date() -> None:
    assert parse_date("2024-02-29", "--from") == date(2024, 2, 29)


@pytest.mark.parametrize(
    "text", ["", "2025-02-29", "20250101", "2025-W01-1", "0000-01-01", "2025-01-01T00:00:00Z"]
)
def test_parse_date_refuses(text: str) -> None:
    with pytest.raises(UsageError, match=r"--to: .* is not a date"):
        parse_date(text, "--to")


def test_parse_period() -> None:
    assert parse_period("2025-01") == "2025-01"
    for text in ("2025-13", "2025-1", "2025-01-01", "2025-01\n"):
        with pytest.raises(UsageError, match="is not a billing period"):
            parse_period(text)


def test_parse_moment() -> None:
    assert parse_moment("1970-01-01T01:00:07.9+01:00", "--until") == 7
    with pytest.raises(UsageError, match="--until: '2025-01-01'"):
        parse_moment("2025-01-01", "--until")


def test_parse_span() -> None:
    assert parse_span(None, None, None) is None
    assert parse_span("2025-01", None, None) == "2025-01"
    one_day = (date(2025, 1, 1), date(2025, 1, 1))
    assert parse_span(None, "2025-01-01", "2025-01-01") == one_day


@pytest.mark.parametrize(
    ("span", "reason"),
    [
        (("2025-01", "2025-01-01", None), "--period cannot be combined"),
        ((None, "2025-01-01", None), "--from needs --to"),
        ((None, None, "2025-01-01"), "--to needs --from"),
        ((None, "2025-01-02", "2025-01-01"), "--from 2025-01-02 is after --to 2025-01-01"),
    ],
)
def test_parse_span_refuses(span: tuple[str | None, str | None, str | None], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        parse_span(*span)
