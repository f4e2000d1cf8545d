"""The command line as a whole: its global options, its streams, and how it ends."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from billing_cli import __version__
from tests.commands.support import event, take_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.command_line import Billing, Invoke

NOW = "2025-02-10T00:00:00Z"


def shell(run: Billing, script: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script in which ``billing`` is the program."""
    return subprocess.run(
        ["bash", "-c", f'billing() {{ "{sys.executable}" -m billing_cli "$@"; }}; {script}'],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=run.work,
        env={
            "PATH": os.environ["PATH"],
            "BILLING_DATABASE_URL": run.database,
            "BILLING_AT": NOW,
            **environ,
        },
    )


def test_version(sqlite_invoke: Invoke) -> None:
    assert sqlite_invoke("--version").ok().stdout == f"billing {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (["invoices"], "no such command 'invoices'.", "billing --help shows what there is"),
        (["meter", "runn"], "no such command 'runn'.", "billing meter --help shows what there is"),
        (["--nope"], "no such option: --nope", "billing --help shows what there is"),
        (["usage", "-o", "xml"],
         ("invalid value for '--output' / '-o': 'xml' is not one of "
         "'table', 'json', 'jsonl', 'csv', 'tsv', 'markdown'."),
         "billing usage --help shows what there is"),
        (["usage", "\x1b[31m"], r"got unexpected extra argument(s) (\x1b[31m)",
         "billing usage --help shows what there is"),
    ],
)  # fmt: skip
def test_what_is_no_command(
    sqlite_invoke: Invoke, arguments: list[str], error: str, hint: str
) -> None:
    result = sqlite_invoke(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    first, last = result.stderr.splitlines()
    assert first.startswith(f"error: {error}")
    assert last == f"hint: {hint}"


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        ("now", "--at: 'now' is not an RFC 3339 time such as 2025-01-01T00:00:00Z"),
        ("2025-01-01T00:00:00", "--at: '2025-01-01T00:00:00' has no time zone: "),
        ("2025-02-29T00:00:00Z", "--at: '2025-02-29T00:00:00Z' is a day that does not exist"),
        ("9999-12-31T23:59:59Z", "--at: 9999-12-31T23:59:59Z is too late"),
        ("\x1b[31m", r"--at: '\x1b[31m' is not an RFC 3339 time"),
    ],
)
def test_at_is_an_instant(sqlite_invoke: Invoke, at: str, reason: str) -> None:
    for result in (
        sqlite_invoke("usage", at=at),
        sqlite_invoke("usage", environ={"BILLING_AT": at}),
        sqlite_invoke("invoice", "list", at=at),
    ):
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith(f"error: {reason}")


def test_at_can_be_any_time(sqlite_invoke: Invoke) -> None:
    for at in ("0003-01-01T00:00:00Z", "1960-01-01T00:00:00+05:30", "9998-12-31T23:59:59Z", ""):
        sqlite_invoke("usage", environ={"BILLING_AT": at}).ok()
        sqlite_invoke("meter", "run", environ={"BILLING_AT": at}).ok()


@pytest.mark.parametrize("timezone", ["America/Adak", "Asia/Tokyo"])
def test_the_first_and_the_last_moment_have_periods_around_them(
    sqlite_invoke: Invoke, timezone: str
) -> None:
    sqlite_invoke.configure(timezone=timezone, invoiceDay=28)
    for at in ("0003-01-01T00:00:00Z", "9998-12-31T23:59:59Z"):
        take_in(sqlite_invoke, event("created", "2025-01-01T00:00:00Z", "s", "ann"), at=at)
        for command in ("usage", "dashboard", "quota show", "job status", "report usage"):
            assert sqlite_invoke(*command.split(), at=at).exit_code in {0, 7}, command
    for words in ("--from 0003-01-01 --to 0003-01-01", "--period 0003-01", "--period 9998-12"):
        assert sqlite_invoke("usage", *words.split()).exit_code == 0, words
    for words in ("--from 0002-12-31 --to 0003-01-01", "--period 0002-12", "--period 0000-01"):
        refused = sqlite_invoke("usage", *words.split())
        assert (refused.exit_code, "is too early\n" in refused.stderr) == (2, True), words


def test_a_reader_that_leaves_early_is_no_error(billing: Billing, invoke: Invoke) -> None:
    lines = [event("created", NOW, f"s{number}", f"user {number:0100}") for number in range(3_000)]
    take_in(invoke, *lines, at=NOW)
    invoke("meter", "ingest", stdin='{"padding": 1}\n' * 20_000, at=NOW)
    for command in ("billing meter sessions -o csv", "billing meter rejected export"):
        left = shell(billing, f"{command} | head -1; exit ${{PIPESTATUS[0]}}")
        assert (left.returncode, left.stderr) == (0, ""), command
        assert left.stdout.count("\n") == 1


@pytest.mark.parametrize("command", ["billing config show", "billing meter rejected export"])
def test_output_that_cannot_be_written_is_an_error(
    sqlite_billing: Billing, sqlite_invoke: Invoke, command: str
) -> None:
    closed = shell(sqlite_billing, f"{command} >&-")
    assert closed.returncode == 6
    assert closed.stderr == "error: cannot write the output: standard output is closed\n"
    sqlite_invoke("meter", "ingest", stdin="{}\n")
    full = shell(sqlite_billing, f"{command} > /dev/full")
    assert full.returncode == 6
    assert full.stderr == (
        "error: cannot write the output: No space left on device\n"
        "hint: make room or choose another place, and run the command again\n"
    )


def test_closed_streams(sqlite_billing: Billing) -> None:
    closed = shell(sqlite_billing, "billing meter ingest <&-")
    assert closed.returncode == 2
    assert closed.stderr == ("error: standard input is closed\nhint: name the files to take in\n")
    assert shell(sqlite_billing, "billing config show 2>&- | grep -c .").stdout > "0"
    assert shell(sqlite_billing, "billing invoice show 9 2>&-").returncode == 3


def test_without_a_home_the_database_can_be_named(sqlite_billing: Billing) -> None:
    done = shell(sqlite_billing, "unset HOME; billing usage")
    assert done.returncode == 0
    assert done.stderr == "nothing is metered yet: run billing meter run\nno usage\n"


def test_a_home_that_cannot_be_made_says_so(sqlite_billing: Billing) -> None:
    environ = {"HOME": "/dev/null", "BILLING_DATABASE_URL": ""}
    done = shell(sqlite_billing, "billing usage", **environ)
    assert done.returncode == 6
    assert done.stderr.startswith(
        "error: the database file /dev/null/.local/share/billing/billing.db cannot be made: "
    )
    assert done.stderr.endswith(
        "hint: name another with --database, or mend the folder's permissions\n"
    )


@contextmanager
def interruptible() -> Iterator[None]:
    """Children heed SIGINT, also where the tests run in the background and it is ignored."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def started(billing: Billing, *arguments: str) -> subprocess.Popen[bytes]:
    with interruptible():
        return subprocess.Popen(
            [sys.executable, "-m", "billing_cli", "--database", billing.database, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=billing.work,
            env={"PATH": os.environ["PATH"], "HOME": str(billing.work)},
        )


INTERRUPTED = (
    "error: interrupted\nhint: what was committed stays, and the same command does the rest\n"
)


def test_interrupting_says_what_to_do(sqlite_billing: Billing) -> None:
    process = started(sqlite_billing, "meter", "ingest", "-")
    # It is at work when SQLite's files are there, and then waits for input.
    shared = Path(f"{sqlite_billing.database.removeprefix('sqlite:///')}-shm")
    deadline = time.monotonic() + 60
    while not shared.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr.decode()) == (130, INTERRUPTED)


@pytest.mark.parametrize(
    ("module", "ended", "said"),
    [("typer", -signal.SIGINT, ""), ("sqlalchemy", 130, INTERRUPTED)],
)
def test_interrupting_an_import_shows_no_traceback(
    sqlite_billing: Billing, module: str, ended: int, said: str
) -> None:
    code = f"""
import os, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from billing_cli.__main__ import main
main()
"""
    with interruptible():
        done = subprocess.run(
            [sys.executable, "-c", code, "--database", sqlite_billing.database, "usage"],
            capture_output=True,
            text=True,
            check=False,
            cwd=sqlite_billing.work,
            env={"PATH": os.environ["PATH"], "HOME": str(sqlite_billing.work)},
        )
    assert (done.returncode, done.stderr) == (ended, said)


def test_a_wait_for_the_database_is_told_and_can_be_interrupted(sqlite_billing: Billing) -> None:
    sqlite_billing("db", "upgrade").ok()
    file = sqlite_billing.database.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        process = started(
            sqlite_billing, "credits", "add", "-u", "ann", "--amount", "1", "--reason", "x"
        )
        assert process.stderr is not None
        said = process.stderr.readline().decode()
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=60)
    assert said == "waiting for another process, which is writing to the database\n"
    assert (process.returncode, rest.decode()) == (130, INTERRUPTED)
