"""Names that mean to do harm come out harmless in every format, in messages and on terminals."""

from __future__ import annotations

import csv
import io
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.commands.support import session, take_in, totals, written

if TYPE_CHECKING:
    from tests.command_line import Billing, CommandLine, Invoke

NOW = "2025-02-10T00:00:00Z"
NAMES = [
    "[red]x[/red] :smile:",
    "\x1b[31mred\x1b[0m \x9b31m \x1b]0;title\x07",
    "=cmd()|'/C calc'!A0",
    "'; DROP TABLE billing_invoices; --",
    "a\nb\r\nc\rd\te",
    "\u202egnp.exe\u2066\u2028",
    "x" * 450,
    "%s {0} ? \\",
    "--help",
    "ünï 漢字 🙂",
]
UNSAFE = {chr(code) for code in [*range(32), *range(127, 160)]} - {"\n"} | set("\u202e\u2066\u2028")


@pytest.fixture(name="run")
def _run(invoke: Invoke) -> Invoke:
    lines = [
        line
        for name in NAMES
        for line in session("2025-01-10T00:00:00Z", "2025-01-11T00:00:00Z", f"S{name}", name)
    ]
    take_in(invoke, *lines, *session("2025-01-10T00:00:00Z", "2025-01-09T00:00:00Z"), at=NOW)
    invoke("invoice", "generate", "--finalize", at=NOW).ok()
    return invoke


COMMANDS = [
    ["invoice", "list"],
    ["meter", "sessions"],
    ["meter", "anomalies"],
    ["usage", "--period", "2025-01", "--by", "session"],
    ["dashboard", "--sort=cost"],
]


def test_json_gives_every_name_back(run: Invoke) -> None:
    for fmt in ("json", "jsonl"):
        printed = run("invoice", "list", "-o", fmt, at=NOW).ok()
        assert not UNSAFE & set(printed.stdout)
    rows = run("invoice", "list", "-o", "json", at=NOW).ok().json()
    assert [row["user_id"] for row in rows] == sorted(
        ["ann", *NAMES], key=lambda name: name.encode()
    )


def test_no_format_lets_them_steer(run: Invoke) -> None:
    for fmt, allowed in (("table", ""), ("csv", "\t\r"), ("tsv", "\t"), ("markdown", "")):
        for command in COMMANDS:
            printed = run(*command, "-o", fmt, at=NOW).ok().stdout
            assert not (UNSAFE - set(allowed)) & set(printed), (fmt, command)
            if fmt == "csv":
                for row in csv.reader(io.StringIO(printed, newline="")):
                    assert not any(cell.lstrip().startswith(("=", "@", "+")) for cell in row)
            if fmt == "tsv":
                assert len({line.count("\t") for line in printed.splitlines()}) == 1
            if fmt == "markdown" and command[1] != "anomalies":
                assert r"\[red\]x\[/red\]" in printed


def test_they_can_be_asked_for_by_name(run: Invoke) -> None:
    before = totals(run)
    for name in NAMES:
        arguments = [f"--user={name}"]
        assert len(run("invoice", "list", *arguments, "-o", "json").ok().json()) == 1
        assert len(run("meter", "sessions", *arguments, "-o", "json", at=NOW).ok().json()) == 1
        shown = run("meter", "show", "-o", "json", "--", f"S{name}", at=NOW).ok().json()
        assert (shown["session_id"], shown["user_id"]) == (f"S{name}", name)
        for missing in (
            run("usage", f"--user=no{name}", at=NOW),
            run("meter", "show", "--", name, at=NOW),
            run("invoice", "show", "--", name, at=NOW),
        ):
            assert missing.exit_code == 3
            assert missing.stderr.count("\n") == 2
            assert not UNSAFE & set(missing.stderr)
    assert totals(run) == before


def test_names_of_files_are_harmless_too(sqlite_invoke: Invoke) -> None:
    name = "e\x1b[31m\n[red]\u202e.jsonl"
    written(sqlite_invoke.work / name, "{}")
    rejected = sqlite_invoke("meter", "ingest", name, at=NOW)
    assert rejected.exit_code == 5
    assert r"warning: e\x1b[31m\n[red]\u202e.jsonl:1: " in rejected.stderr
    for printed in (
        rejected.stderr,
        sqlite_invoke("meter", "ingest", f"no{name}").stderr,
        sqlite_invoke("--config", name, "usage").stderr,
        sqlite_invoke("db", "backup", name).stderr.replace("e\x1b", ""),
        sqlite_invoke("meter", "rejected", "list").stdout,
        sqlite_invoke("meter", "rejected", "list", "-o", "tsv").stdout,
    ):
        assert not UNSAFE & set(printed) - {"\t"}


def on_terminal(run: CommandLine, *arguments: str) -> str:
    """What a command prints on a terminal of 80 columns."""
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "billing_cli", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
        cwd=run.work,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(run.work),
            "BILLING_DATABASE_URL": run.database,
            "BILLING_AT": NOW,
            "COLUMNS": "80",
            "TERM": "xterm",
            "NO_COLOR": "1",
            "LANG": "C.UTF-8",
        },
    )
    os.close(terminal)
    pieces = []
    while piece := _read(screen):
        pieces.append(piece)
    process.wait()
    os.close(screen)
    return b"".join(pieces).decode().replace("\r\n", "\n")


def _read(screen: int) -> bytes:
    try:
        return os.read(screen, 65_536)
    except OSError:  # Linux says so when the other end is closed.
        return b""


def test_a_terminal_is_sent_nothing_of_theirs(sqlite_billing: Billing) -> None:
    lines = [
        line
        for name in NAMES
        for line in session("2025-01-10T00:00:00Z", "2025-01-11T00:00:00Z", f"S{name}", name)
    ]
    take_in(sqlite_billing, *lines, at=NOW)
    for command in (
        ["meter", "sessions"],
        ["meter", "show", f"S{NAMES[1]}"],
        ["usage", f"--user={NAMES[1]}x"],
        ["dashboard", "--limit=20"],
    ):
        printed = on_terminal(sqlite_billing, *command)
        assert not UNSAFE & set(printed), command
        assert max(len(line) for line in printed.splitlines()) <= 80 or command[0] == "usage"
        assert r"\x1b[31mred" in printed
    assert "[red]x[/red]" in on_terminal(sqlite_billing, "meter", "sessions")
