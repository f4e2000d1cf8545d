"""Names that mean to do harm come out harmless in every format, in messages and on terminals."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.commands.support import event, session, take_in, totals, written

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command_line import CommandLine, Invoke

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

LATIN = os.fsdecode("caf\xe9".encode("latin-1"))


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


@pytest.mark.parametrize(
    ("words", "exit_code", "reason"),
    [
        (["meter", "show", LATIN], 3, r"there is no session 'caf\udce9'"),
        (["meter", "anomalies", "--session", LATIN], 3, r"there is no session 'caf\udce9'"),
        (["quota", "suspend", "ann", "--reason", LATIN], 2, "--reason is not UTF-8"),
        (["quota", "resume", "ann", "--reason", " "], 2, "--reason is empty"),
        (["invoice", "edit", "1", "--memo", LATIN], 2, "--memo is not UTF-8"),
        (["invoice", "edit", "1", "--add-line", LATIN, "5"], 2, "--add-line is not UTF-8"),
    ],
)
def test_words_that_are_not_utf_8_are_no_bug(
    sqlite_invoke: Invoke, words: list[str], exit_code: int, reason: str
) -> None:
    result = sqlite_invoke(*words, at=NOW)
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert result.stderr.startswith(f"error: {reason}\n")


def test_a_file_whose_name_is_not_utf_8_is_taken(sqlite_invoke: Invoke) -> None:
    written(sqlite_invoke.work / LATIN, "{}", event("created", "2025-01-10T00:00:00Z"))
    result = sqlite_invoke("meter", "ingest", LATIN, "-o", "jsonl", at=NOW)
    assert json.loads(result.stdout) == {"files": 1, "accepted": 1, "duplicate": 0, "rejected": 1}
    (kept,) = sqlite_invoke("meter", "rejected", "list", "-o", "json").ok().json()
    assert kept["file"] == r"caf\udce9"


def on_terminal(program: Path, run: CommandLine, *arguments: str) -> str:
    """What a command prints on a terminal of 80 columns."""
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [program, *arguments],
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


def test_a_terminal_is_sent_nothing_of_theirs(sqlite_invoke: Invoke, programs: Path) -> None:
    lines = [
        line
        for name in NAMES
        for line in session("2025-01-10T00:00:00Z", "2025-01-11T00:00:00Z", f"S{name}", name)
    ]
    take_in(sqlite_invoke, *lines, at=NOW)
    for command in (
        ["meter", "sessions"],
        ["meter", "show", f"S{NAMES[1]}"],
        ["usage", f"--user={NAMES[1]}x"],
        ["dashboard", "--limit=20"],
    ):
        printed = on_terminal(programs / "billing", sqlite_invoke, *command)
        assert not UNSAFE & set(printed), command
        assert max(len(line) for line in printed.splitlines()) <= 80 or command[0] == "usage"
        assert r"\x1b[31mred" in printed
    assert "[red]x[/red]" in on_terminal(programs / "billing", sqlite_invoke, "meter", "sessions")
