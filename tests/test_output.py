"""Printing: six formats, terminals and pipes, and nothing in the data that can do harm."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from billing_cli.output import (
    Column,
    OutputFormat,
    Section,
    emit,
    emit_object,
    fail,
    message,
    progress,
    warn,
)
from tests.printing import NASTY, printed, steers

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = [
    Column("user_id"),
    Column("session_id", title="Session", wide=True),
    Column("amount", numeric=True),
    Column("active", table=False),
]
ROWS: list[dict[str, object]] = [
    {"user_id": "john", "session_id": "s1", "amount": "1.40", "active": True},
    {"user_id": "日本", "session_id": None, "amount": "-10.00", "active": False},
]
# Prints the rows given as JSON in the first argument in the format of the second.
SCRIPT = """
import json, sys
from billing_cli.errors import BillingError
from billing_cli.output import Column, OutputFormat, emit, fail
columns = [Column("user_id"), Column("session_id", wide=True), Column("amount", numeric=True)]
rows = json.loads(sys.argv[1]) * int(sys.argv[3])
try:
    emit(rows, columns, OutputFormat(sys.argv[2]), footer={"amount": "7.00"}, title="Usage")
except BillingError as error:
    fail(error.message, error.hint)
    sys.exit(error.exit_code)
"""


def environment(**changes: str) -> dict[str, str]:
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    root = str(Path(__file__).parents[1])
    return kept | {"TERM": "xterm-256color", "PYTHONPATH": root} | changes


def command(rows: object, fmt: str, times: int = 1) -> list[str]:
    return [sys.executable, "-c", SCRIPT, json.dumps(rows), fmt, str(times)]


def on_terminal(argv: list[str], width: int = 80, *, stderr: bool = False, **changes: str) -> str:
    """What a command shows on a pseudo-terminal: its stdout, or its stderr."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    streams = (subprocess.PIPE, follower) if stderr else (follower, subprocess.PIPE)
    with subprocess.Popen(
        argv, stdout=streams[0], stderr=streams[1], env=environment(**changes)
    ) as process:
        os.close(follower)
        shown = b""
        with contextlib.suppress(OSError):  # Linux reports the end as an error.
            while piece := os.read(leader, 65_536):
                shown += piece
        process.communicate()
    os.close(leader)
    assert process.returncode == 0
    return shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("fmt", "expected"),
    [
        (
            "table",
            (
                "User id    Session      Amount\n"
                "---------  ---------  --------\n"
                "john       s1             1.40\n"
                "日本       -            -10.00\n"
            ),
        ),
        (
            "json",
            (
                "[\n"
                '  {"user_id": "john", "session_id": "s1", "amount": "1.40", "active": true},\n'
                '  {"user_id": "日本", "session_id": null, "amount": "-10.00", "active": false}\n'
                "]\n"
            ),
        ),
        (
            "jsonl",
            (
                '{"user_id": "john", "session_id": "s1", "amount": "1.40", "active": true}\n'
                '{"user_id": "日本", "session_id": null, "amount": "-10.00", "active": false}\n'
            ),
        ),
        ("csv", "user_id,session_id,amount,active\njohn,s1,1.40,true\n日本,,-10.00,false\n"),
        (
            "tsv",
            "user_id\tsession_id\tamount\tactive\njohn\ts1\t1.40\ttrue\n日本\t\t-10.00\tfalse\n",
        ),
        (
            "markdown",
            (
                "| User id | Session | Amount |\n"
                "| --- | --- | ---: |\n"
                "| john | s1 | 1.40 |\n"
                "| 日本 | - | -10.00 |\n"
            ),
        ),
    ],
)
def test_formats(fmt: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    emit(ROWS, COLUMNS, OutputFormat(fmt))
    assert capsys.readouterr() == (expected, "")


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1", "'=1"),
        ("-1", "-1"),
        ("+1.50", "+1.50"),
        ("-1-1", "'-1-1"),
        (-7, "-7"),
        ("\t=1", "'\t=1"),
        ("\r=1", "\\r=1"),
        ("a\nb", '"a\nb"'),
        ("a\x1bb\u202ec", "a\\x1bb\\u202ec"),
        (["x", {"y": "\x7f"}], '"[""x"",{""y"":""\\u007f""}]"'),
    ],
)
def test_csv_cells(value: object, cell: str) -> None:
    assert printed([{"a": value}], "csv", "a") == f"a\n{cell}\n"


def test_other_values_are_refused() -> None:
    with pytest.raises(TypeError, match="a float cannot be printed"):
        printed([{"a": 1.5}], "csv", "a")


@pytest.mark.parametrize(
    ("fmt", "out", "err"),
    [
        ("table", "", "no users\n"),
        ("markdown", "", "no users\n"),
        ("json", "[]\n", ""),
        ("jsonl", "", ""),
        ("csv", "user_id,session_id,amount,active\n", ""),
        ("tsv", "user_id\tsession_id\tamount\tactive\n", ""),
    ],
)
def test_no_rows(fmt: str, out: str, err: str, capsys: pytest.CaptureFixture[str]) -> None:
    emit([], COLUMNS, OutputFormat(fmt), empty="no users", footer={"amount": "0.00"})
    assert capsys.readouterr() == (out, err)


@pytest.mark.parametrize("fmt", ["json", "jsonl", "csv", "tsv"])
def test_data_formats_stream(fmt: str) -> None:
    out = io.StringIO()

    def rows() -> Iterator[dict[str, object]]:
        for number in range(3):
            assert number == 0 or f"row {number - 1}" in out.getvalue()
            yield {"a": f"row {number}"}

    with contextlib.redirect_stdout(out):
        emit(rows(), [Column("a")], OutputFormat(fmt))
    assert "row 2" in out.getvalue()


INVOICE = {
    "invoice_number": "INV-1",
    "user_id": "a|b",
    "paid_at": None,
    "lines": [{"resource": "cpu", "amount": "1.40", "currency": "USD"}],
}
LINES = Section("lines", [Column("resource"), Column("amount", numeric=True)], None, {"amount": 2})


@pytest.mark.parametrize(
    ("fmt", "expected"),
    [
        (
            "table",
            (
                "Invoice number: INV-1\n"
                "User id:        a|b\n"
                "Paid at:        -\n"
                "\n"
                "Lines\n"
                "\n"
                "Resource      Amount\n"
                "----------  --------\n"
                "cpu             1.40\n"
                "----------  --------\n"
                "                   2\n"
            ),
        ),
        (
            "markdown",
            (
                "| Field | Value |\n"
                "| --- | --- |\n"
                "| Invoice number | INV-1 |\n"
                "| User id | a\\|b |\n"
                "| Paid at | - |\n"
                "\n"
                "### Lines\n"
                "\n"
                "| Resource | Amount |\n"
                "| --- | ---: |\n"
                "| cpu | 1.40 |\n"
                "|  | 2 |\n"
            ),
        ),
        ("json", json.dumps(INVOICE, indent=2) + "\n"),
        ("jsonl", json.dumps(INVOICE) + "\n"),
        (
            "csv",
            (
                "invoice_number,user_id,paid_at,lines\n"
                'INV-1,a|b,,"[{""resource"":""cpu"",""amount"":""1.40"",""currency"":""USD""}]"\n'
            ),
        ),
        (
            "tsv",
            (
                "invoice_number\tuser_id\tpaid_at\tlines\n"
                'INV-1\ta|b\t\t[{"resource":"cpu","amount":"1.40","currency":"USD"}]\n'
            ),
        ),
    ],
)
def test_objects(fmt: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    emit_object(INVOICE, OutputFormat(fmt), sections=[LINES])
    assert capsys.readouterr() == (expected, "")


def test_section_without_rows_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    emit_object({"user_id": "john", "lines": []}, OutputFormat.TABLE, sections=[LINES])
    assert capsys.readouterr().out == "User id: john\n"


def test_table_on_a_terminal_is_styled_and_fits() -> None:
    wide = [{"user_id": "john", "session_id": "s" * 40, "amount": "1.40"}]
    shown = on_terminal(command(wide, "table"))
    assert "\x1b[1m" in shown
    assert "s" * 40 in shown
    shown = on_terminal(command(wide, "table"), width=40)
    assert "Session id" not in shown
    assert "john" in shown
    assert "1.40" in shown


def test_narrow_terminal_cuts_text_and_keeps_amounts() -> None:
    long = [{"user_id": "j" * 50, "session_id": "s", "amount": "123456.40"}]
    shown = on_terminal(command(long, "table"), width=24, NO_COLOR="1")
    assert shown == (
        "Usage\n"
        "\n"
        "User id           Amount\n"
        "────────────────────────\n"
        "jjjjjjjjjjjj…  123456.40\n"
        "────────────────────────\n"
        "                    7.00\n"
    )
    assert on_terminal(command(long, "table"), COLUMNS="24", NO_COLOR="1") == shown


def test_terminal_shows_markup_and_escapes_as_text() -> None:
    rows = [{"user_id": text, "session_id": "s", "amount": "1"} for text in NASTY]
    shown = on_terminal(command(rows, "table"), width=200, NO_COLOR="1")
    assert "[red]markup[/red] :smile:" in shown
    assert "\\x1b[31mred\\x1b[0m" in shown
    assert [character for character in shown if steers(character) and character != "\n"] == []
    assert len(shown.splitlines()) == len(rows) + 6


def test_pipe_is_neither_wrapped_nor_styled() -> None:
    rows = [{"user_id": "j" * 300, "session_id": "s" * 300, "amount": "1.40"}]
    result = subprocess.run(
        command(rows, "table"), capture_output=True, env=environment(COLUMNS="40"), check=True
    )
    assert result.stderr == b""
    assert f"{'j' * 300}  {'s' * 300}      1.40\n".encode() in result.stdout
    assert b"\x1b" not in result.stdout


def test_output_is_utf8_in_any_locale() -> None:
    rows = [{"user_id": "日本 é \ud800", "session_id": None, "amount": "1"}]
    changes = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    for fmt in ("csv", "json", "table"):
        result = subprocess.run(
            command(rows, fmt), capture_output=True, env=environment(**changes), check=True
        )
        assert "日本 é \\ud800" in result.stdout.decode()


@pytest.mark.parametrize("fmt", OutputFormat)
def test_reader_that_leaves_ends_it_quietly(fmt: OutputFormat) -> None:
    argv, pipe = command(ROWS, fmt, 20_000), subprocess.PIPE
    with subprocess.Popen(argv, stdout=pipe, stderr=pipe, env=environment()) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("times", [1, 5_000])
def test_full_disk_is_an_error_of_one_line(times: int) -> None:
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            command(ROWS, "csv", times),
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
            check=False,
        )
    assert result.returncode == 6
    assert result.stderr.decode().splitlines() == [
        "error: cannot write the output: No space left on device",
        "hint: make room or choose another place, and run the command again",
    ]


def test_closed_stdout_is_an_error() -> None:
    result = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *command(ROWS, "csv")],
        stderr=subprocess.PIPE,
        env=environment(),
        check=False,
    )
    assert result.returncode == 6
    assert b"standard output is closed" in result.stderr


def test_messages_are_single_harmless_lines(capsys: pytest.CaptureFixture[str]) -> None:
    message("two\nlines")
    warn("an \x1b[31mescape")
    fail("\u202ewrong", "try again")
    assert capsys.readouterr() == (
        "",
        "two\\nlines\nwarning: an \\x1b[31mescape\nerror: \\u202ewrong\nhint: try again\n",
    )


def test_messages_are_coloured_on_a_terminal_only() -> None:
    argv = [sys.executable, "-c", "from billing_cli.output import warn; warn('x')"]
    assert on_terminal(argv, stderr=True) == "\x1b[33mwarning: \x1b[0mx\n"
    assert on_terminal(argv, stderr=True, NO_COLOR="1") == "warning: x\n"


def test_progress_is_for_terminals(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(2, "rating") as advance:
        advance(2)
    assert capsys.readouterr() == ("", "")
    code = (
        "from billing_cli.output import message, progress\n"
        "with progress(2, '[red]rating') as advance:\n"
        "    advance(1); message('[bold]note'); advance(1)\n"
    )
    shown = on_terminal([sys.executable, "-c", code], stderr=True)
    assert "[red]rating" in shown
    assert "[bold]note" in shown
    assert "2/2" in shown


def test_slow_libraries_wait_until_a_table_is_drawn() -> None:
    code = (
        "import sys, billing_cli.output\n"
        "slow = {'rich', 'tabulate', 'wcwidth', 'typer', 'importlib.metadata'}\n"
        "sys.exit(str(slow & set(sys.modules)) if slow & set(sys.modules) else 0)\n"
    )
    subprocess.run([sys.executable, "-S", "-c", code], env=environment(), check=True)
