"""``billing db``, and what every command says of a database that it cannot work with."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from billing_cli.store.schema import HEAD, VERSION_TABLE
from tests.commands.support import event, session, take_in, written

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.command_line import CommandLine, Invoke

NOW = "2025-02-10T00:00:00Z"
DAY = session("2025-01-10T00:00:00Z", "2025-01-11T00:00:00Z")


def execute(url: str, *statements: str) -> None:
    """Run SQL behind the program's back."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
            for statement in statements:
                database.execute(statement)
            database.commit()
        return
    with psycopg.connect(url) as server:
        for statement in statements:
            server.execute(statement)


def test_an_empty_database_is_set_up_silently(
    invoke_on: Callable[[str], Invoke], empty_database_url: str
) -> None:
    run = invoke_on(empty_database_url)
    take_in(run, *DAY, at=NOW)
    shown = run("db", "current", "-o", "json").ok().json()
    assert (shown["schema"], shown["needed"], shown["current"]) == (HEAD, HEAD, True)
    assert run("db", "upgrade").ok().stderr == f"the schema is already {HEAD}\n"


def test_upgrade_sets_an_empty_database_up(
    invoke_on: Callable[[str], Invoke], empty_database_url: str
) -> None:
    run = invoke_on(empty_database_url)
    made = f"the schema is now {HEAD}\n"
    # A rehearsal does all of it, and leaves nothing.
    for _ in range(2):
        rehearsed = run("db", "upgrade", "--dry-run").ok().stderr
        assert rehearsed == f"{made}nothing was kept: this was a rehearsal\n"
    assert run("db", "upgrade").ok().stderr == made


def test_other_tables_in_the_database_do_not_matter(
    invoke_on: Callable[[str], Invoke], empty_database_url: str
) -> None:
    execute(empty_database_url, "CREATE TABLE sessions (id TEXT PRIMARY KEY)")
    run = invoke_on(empty_database_url)
    take_in(run, *DAY, at=NOW)
    assert run("db", "check").exit_code == 0


COMMANDS = [
    ["usage"],
    ["meter", "run"],
    ["meter", "ingest", "-"],
    ["invoice", "list"],
    ["config", "apply"],
    ["db", "check"],
]


@pytest.mark.parametrize("command", [*COMMANDS, ["db", "upgrade"]], ids=" ".join)
def test_the_plugins_own_tables_are_left_alone(
    invoke_on: Callable[[str], Invoke], empty_database_url: str, command: list[str]
) -> None:
    execute(empty_database_url, "CREATE TABLE billing_invoices (id VARCHAR(64) PRIMARY KEY)")
    run = invoke_on(empty_database_url)
    result = run(*command, at=NOW)
    assert (result.exit_code, result.stdout) == (8, "")
    assert result.stderr == (
        f"error: {called(run)} holds billing tables that this program did not make: "
        "billing_invoices\n"
        "hint: they look like the StreamSpace plugin's own; give this program a database of its "
        "own with --database or BILLING_DATABASE_URL\n"
    )


def called(run: Invoke) -> str:
    """What a message calls a database: a file by its name, so that nobody mistakes it."""
    file = run.database.removeprefix("sqlite:///")
    return "the database" if file == run.database else f"the database {file}"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_older_schema_is_never_changed_silently(invoke: Invoke, command: list[str]) -> None:
    execute(invoke.database, f"UPDATE {VERSION_TABLE} SET version_num = '0000'")
    result = invoke(*command, at=NOW)
    assert (result.exit_code, result.stdout) == (8, "")
    assert result.stderr == (
        f"error: {called(invoke)} has schema 0000, this program needs {HEAD}\n"
        "hint: back it up, then run: billing db upgrade\n"
    )
    shown = invoke("db", "current", "-o", "json").ok().json()
    assert (shown["schema"], shown["current"]) == ("0000", False)


def test_a_schema_that_never_was_cannot_be_upgraded(invoke: Invoke) -> None:
    execute(invoke.database, f"UPDATE {VERSION_TABLE} SET version_num = '0000'")
    result = invoke("db", "upgrade")
    assert result.exit_code == 8
    assert result.stderr == (
        "error: the schema 0000 of the database cannot be upgraded: "
        "Can't locate revision identified by '0000'\n"
        "hint: restore a backup that this program made\n"
    )


@pytest.mark.parametrize("command", [*COMMANDS, ["db", "upgrade"]], ids=" ".join)
def test_a_newer_schema_needs_a_newer_program(sqlite_invoke: Invoke, command: list[str]) -> None:
    execute(sqlite_invoke.database, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    result = sqlite_invoke(*command, at=NOW)
    assert result.exit_code == 8
    assert result.stderr == (
        f"error: {called(sqlite_invoke)} has schema 9999, newer than this program's {HEAD}\n"
        "hint: upgrade this program: pip install --upgrade billing-cli\n"
    )


def test_what_is_no_database_is_refused(sqlite_invoke: Invoke) -> None:
    written(sqlite_invoke.work / "notes.txt", *["not a database"] * 100)
    other = sqlite_invoke("--database", "notes.txt", "usage")
    assert other.exit_code == 6
    assert other.stderr == (
        "error: the database notes.txt cannot be used: file is not a database\n"
        "hint: the file is something else; name another with --database\n"
    )
    folder = sqlite_invoke("--database", sqlite_invoke.work, "usage")
    assert folder.exit_code == 6
    assert folder.stderr == (
        f"error: the database {sqlite_invoke.work} is a folder\n"
        f"hint: name a file in it, such as {sqlite_invoke.work / 'billing.db'}\n"
    )


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("mysql://root@localhost/x", "must be a SQLite file or start with sqlite:/// or "),
        ("", "must not be empty"),
        ("a\x1b[31m", "must not hold control characters, or spaces at its ends"),
    ],
)
def test_what_names_no_database_is_refused(sqlite_invoke: Invoke, url: str, error: str) -> None:
    result = sqlite_invoke("--database", url, "usage")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: --database {error}")


def test_a_server_that_is_not_there(sqlite_invoke: Invoke) -> None:
    result = sqlite_invoke("--database", "postgresql://u:hush@127.0.0.1:1/x", "usage")
    assert result.exit_code == 6
    assert "Connection refused" in result.stderr
    assert result.stderr.endswith("hint: check that the server runs and that the URL is right\n")
    assert result.stderr.count("\n") == 2
    assert "hush" not in result.stderr


def test_a_sound_database_passes_every_check(invoke: Invoke) -> None:
    take_in(invoke, *DAY, at=NOW)
    invoke("invoice", "generate", "--finalize", at=NOW).ok()
    rows = invoke("db", "check", "-o", "json").ok().json()
    assert {row["result"] for row in rows} == {"passed"}
    assert {"schema", "invoice numbers", "invoice totals", "credits"} <= {
        row["check"] for row in rows
    }


@pytest.mark.parametrize(
    ("damage", "check", "detail"),
    [
        ("UPDATE billing_invoices SET total = total + 1, subtotal = subtotal + 1",
         "invoice lines", "the lines of invoice 1 do not add up to its subtotal"),
        ("UPDATE billing_invoices SET invoice_number = 'INV-2024-000007'", "invoice numbers",
         "series INV-2025 has 0 numbers, its last is 1"),
        ("DELETE FROM billing_invoice_lines WHERE position = 1", "invoice lines",
         "the lines of invoice 1 do not add up to its subtotal"),
        ("DROP INDEX {index}", "schema", "index"),
    ],
)  # fmt: skip
def test_check_finds_what_does_not_agree(
    sqlite_invoke: Invoke, damage: str, check: str, detail: str
) -> None:
    take_in(sqlite_invoke, *DAY, at=NOW)
    sqlite_invoke("invoice", "generate", "--finalize", at=NOW).ok()
    with closing(sqlite3.connect(sqlite_invoke.database.removeprefix("sqlite:///"))) as database:
        (index,) = database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL LIMIT 1"
        ).fetchone()
    execute(sqlite_invoke.database, damage.format(index=index))
    result = sqlite_invoke("db", "check", "-o", "json")
    assert result.exit_code == 7
    assert result.stderr == (
        f"error: checks failed: {check}\nhint: restore a backup, or report what the check found\n"
    )
    (failed,) = [row for row in result.json() if row["result"] == "failed"]
    assert failed["check"] == check
    assert detail in failed["detail"]


def test_a_backup_is_a_database_of_its_own(sqlite_invoke: Invoke) -> None:
    take_in(sqlite_invoke, *DAY, at=NOW)
    sqlite_invoke("invoice", "generate", "--finalize", at=NOW).ok()
    result = sqlite_invoke("db", "backup", "copy.db").ok()
    copy = sqlite_invoke.work / "copy.db"
    assert result.stderr == f"wrote copy.db, {copy.stat().st_size:,} bytes\n"
    assert copy.stat().st_mode & 0o777 == 0o600
    assert sqlite_invoke("--database", copy, "invoice", "list", "-o", "csv").stdout == (
        sqlite_invoke("invoice", "list", "-o", "csv").stdout
    )
    again = sqlite_invoke("db", "backup", "copy.db")
    assert again.exit_code == 4
    assert again.stderr == "error: copy.db is already there\nhint: name a new file\n"
    nowhere = sqlite_invoke("db", "backup", "none/copy.db")
    assert nowhere.exit_code == 6
    assert nowhere.stderr == (
        "error: none/copy.db cannot be written: No such file or directory\n"
        "hint: name another file\n"
    )
    assert sorted(path.name for path in sqlite_invoke.work.iterdir()) == ["copy.db"]


def test_postgresql_is_backed_up_by_its_own_tool(
    invoke_on: Callable[[str], Invoke], postgres_url: str
) -> None:
    result = invoke_on(postgres_url)("db", "backup", "copy.db")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: billing db backup is for SQLite\n"
        "hint: for PostgreSQL use: pg_dump --format=custom DATABASE\n"
    )


MANY = [
    event("created", "2025-01-01T00:00:00Z", f"s{number}", f"u{number}") for number in range(5_000)
]


def limited(run: CommandLine, prefix: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell after ``prefix``."""
    return subprocess.run(
        ["sh", "-c", f'{prefix} exec "$0" -m billing_cli "$@"', sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=run.work,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(run.work),
            "BILLING_DATABASE_URL": run.database,
            "BILLING_AT": NOW,
        },
    )


def test_a_full_disk_leaves_nothing_half_done(sqlite_invoke: Invoke) -> None:
    """A limit on the size of files stands for it: writing fails as suddenly."""
    take_in(sqlite_invoke, *DAY, at=NOW)
    written(sqlite_invoke.work / "many.jsonl", *MANY)
    full = limited(sqlite_invoke, "ulimit -f 1500;", "meter", "ingest", "many.jsonl")
    assert (full.returncode, full.stdout) == (6, "")
    assert full.stderr == (
        "error: the database cannot be used: disk I/O error\n"
        "hint: check the disk, and limits on the size of files: nothing was half done\n"
    )
    assert sqlite_invoke("meter", "sessions", "-o", "csv").stdout.count("\n") == 2
    assert sqlite_invoke("meter", "ingest", "many.jsonl", at=NOW).ok().stdout == (
        "Files:     1\nAccepted:  5000\nDuplicate: 0\nRejected:  0\n"
    )


# Root may write anything, unless this is taken away.
AS_ANYONE = (
    "exec setpriv --bounding-set -dac_override,-dac_read_search,-fowner"
    if os.geteuid() == 0
    else ""
)


@pytest.mark.skipif(
    bool(AS_ANYONE) and shutil.which("setpriv") is None, reason="root needs setpriv for it"
)
def test_a_database_that_cannot_be_written(sqlite_invoke: Invoke) -> None:
    take_in(sqlite_invoke, *DAY, at=NOW)
    sqlite_invoke("meter", "run", at=NOW).ok()
    folder = sqlite_invoke.folder / "locked"
    folder.mkdir()
    path = folder / "billing.db"
    shutil.copyfile(sqlite_invoke.database.removeprefix("sqlite:///"), path)
    path.chmod(0o444)
    folder.chmod(0o555)
    prefix = AS_ANYONE.removeprefix("exec ") if AS_ANYONE else ""
    shell = f'{prefix} "$0" -m billing_cli "$@"; exit $?;'
    result = limited(sqlite_invoke, shell, "--database", str(path), "meter", "run")
    folder.chmod(0o755)
    assert (result.returncode, result.stdout) == (6, "")
    assert result.stderr.startswith("error: the database ")
    assert result.stderr.count("\n") == 2
    assert Path(path).read_bytes()
