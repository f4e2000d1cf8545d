"""Completion: what is offered, that nothing else happens, and that real shells take it."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from completions.generate import scripts
from tests.command_line import Invoke
from tests.shells import COMPLETIONS, Desk, bash, fish, words_of, zsh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.databases import SqliteTemplates

# The last four do something, or become something else, where a shell evaluates them.
USERS: Final = ["a@x.org", "jane", "john", "mary ann", "team:alpha"]
HOSTILE: Final = ["$(touch pwned)", "*", "\\$(touch pwned)", "`touch pwned`"]
COMMANDS: Final = ["show", "validate", "schema", "apply", "history"]
NOW: Final = "2025-02-10T00:00:00Z"


def events(users: list[str]) -> str:
    """A session of each user, s1 and so on, over January and into February."""
    lines = []
    for number, user in enumerate(users, 1):
        data = {"id": f"s{number}", "user": user, "resources": {"cpu": "1", "memory": "1Gi"}}
        for event, at in (("created", "2025-01-30"), ("terminated", "2025-02-03")):
            line = {"event": f"session.{event}", "timestamp": f"{at}T00:00:00Z", "data": data}
            lines.append(json.dumps({"id": f"{number}-{event}", **line}))
    return "\n".join(lines)


def fill(invoke: Invoke) -> None:
    """Put users, sessions, two rejected lines, invoices of January and drafts of February in."""
    invoke("meter", "ingest", "-", stdin=f"{events([*USERS, *HOSTILE])}\n{{}}\n[]\n", at=NOW)
    invoke("invoice", "generate", "--finalize", at=NOW).ok()
    invoke("invoice", "generate", "--period", "2025-02", at=NOW).ok()


def ask(invoke: Invoke, line: str, **environ: str) -> list[str]:
    """Return the candidates for the end of a line, which come without any message."""
    result = invoke(
        environ={
            "BILLING_DATABASE_URL": invoke.database,
            "_BILLING_COMPLETE": "complete_fish",
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            "_TYPER_COMPLETE_ARGS": line,
            **environ,
        }
    )
    assert result.stderr == ""
    assert bool(result.stdout.strip()) == (result.exit_code == 0)
    return [candidate.partition("\t")[0] for candidate in result.stdout.splitlines()]


# What is offered


def test_values_come_from_the_database(invoke: Invoke) -> None:
    fill(invoke)
    numbers = [f"INV-2025-{number:06}" for number in range(9, 0, -1)]
    drafts = [str(number) for number in range(18, 9, -1)]
    everyone = sorted([*USERS, *HOSTILE])
    for line, expected in {
        "billing usage --user ": everyone,
        "billing meter sessions -u j": ["jane", "john"],
        "billing invoice list --user=mary": ["mary ann"],
        "billing invoice list --user jane --user j": ["john"],
        "billing meter show ": [f"s{number}" for number in range(1, 10)],
        "billing meter anomalies --session s3": ["s3"],
        "billing usage --period ": ["2025-02", "2025-01"],
        "billing invoice list --period 2025-01": ["2025-01"],
        "billing invoice show ": [*numbers, *drafts],
        "billing invoice void INV-2025-000001": ["INV-2025-000001"],
        "billing invoice show 1": ["1", *drafts],
        "billing invoice finalize ": drafts,
        "billing invoice finalize 18 17 ": drafts[2:],
        "billing invoice finalize 9": [],
        "billing invoice list --status ": ["draft", "sent", "paid", "overdue", "void"],
        "billing invoice list --status x": [],
        "billing meter rejected drop ": ["2", "1"],
        "billing meter rejected retry 0": [],
        "billing usage --user nobody": [],
    }.items():
        assert ask(invoke, line) == expected, line


def test_taxes_and_events_complete(invoke: Invoke) -> None:
    invoke.configure(taxes=[{"id": "vat", "name": "VAT", "percent": 20}])
    for user in ("john", "jane", "john2"):
        invoke("user", "add", user, at=NOW).ok()
    for line, expected in {
        "billing user show j": ["jane", "john", "john2"],
        "billing user edit john --tax ": ["vat", "none", "default"],
        "billing user add x --tax n": ["none"],
        "billing user import --format j": ["json", "jsonl"],
        "billing events list --type billing.user.": ["billing.user.created"],
        "billing events replay ": ["evt_3", "evt_2", "evt_1"],
        "billing events replay evt_3 e": ["evt_2", "evt_1"],
        "billing events replay evt_2": ["evt_2"],
        "billing events replay 2": [],
    }.items():
        assert ask(invoke, line) == expected, line


def test_commands_and_options_complete(sqlite_invoke: Invoke) -> None:
    assert ask(sqlite_invoke, "billing inv") == ["invoice"]
    assert ask(sqlite_invoke, "billing config ") == COMMANDS
    assert ask(sqlite_invoke, "billing usage --f") == ["--from"]
    assert ask(sqlite_invoke, "billing usage --output j") == ["json", "jsonl"]


def test_at_most_fifty_are_offered(invoke: Invoke) -> None:
    invoke("meter", "ingest", "-", stdin=events([f"u{n:03}" for n in range(70)])).ok()
    assert ask(invoke, "billing usage --user u") == [f"u{n:03}" for n in range(50)]


def test_names_that_no_line_can_hold_are_left_out(sqlite_invoke: Invoke) -> None:
    sqlite_invoke("meter", "ingest", "-", stdin=events(["a\nb", "a\x1b[31m", "a\tb", "ab"])).ok()
    assert ask(sqlite_invoke, "billing usage --user a") == ["ab"]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_typers_own_scripts_get_plain_names_alone(sqlite_invoke: Invoke, shell: str) -> None:
    # They are installed by --install-completion, and the one for zsh evaluates what it gets.
    fill(sqlite_invoke)
    line = "billing usage --user "
    result = sqlite_invoke(
        environ={
            "BILLING_DATABASE_URL": sqlite_invoke.database,
            "_BILLING_COMPLETE": f"complete_{shell}",
            "_TYPER_COMPLETE_ARGS": line,
            "COMP_WORDS": line,
            "COMP_CWORD": "3",
        }
    ).ok()
    assert "john" in result.stdout
    assert "mary" not in result.stdout
    assert "touch" not in result.stdout


# Where it is looked up


def test_the_line_says_which_database(sqlite_invoke: Invoke, tmp_path: Path) -> None:
    fill(sqlite_invoke)
    path = sqlite_invoke.database.removeprefix("sqlite:///")
    config = tmp_path / "other.json"
    config.write_text(json.dumps({"databaseUrl": sqlite_invoke.database}))
    for given in (
        f"--database {path}",
        f"--database={sqlite_invoke.database}",
        f"--config {config}",
    ):
        line = f"billing {given} meter show s1"
        unset = "" if "config" in given else "/nowhere/billing.db"
        assert ask(sqlite_invoke, line, BILLING_DATABASE_URL=unset) == ["s1"], given


def test_nothing_is_offered_or_made_where_nothing_can_be_read(
    sqlite_invoke: Invoke, tmp_path: Path
) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "broken.json").write_text("{")
    (folder / "empty.db").touch()
    (folder / "other.db").write_text("something else " * 100)
    before = sorted(folder.iterdir())
    for given in (
        f"--database {folder}/new/billing.db",
        f"--database {folder}",
        f"--database {folder}/empty.db",
        f"--database {folder}/other.db",
        "--database mysql://localhost/billing",
        "--database postgresql://127.0.0.1:1/billing",
        f"--config {folder}/broken.json",
        "--config /nowhere.json",
    ):
        for words in ("meter show s", "usage --user j", "invoice show ", "usage --period 2"):
            assert ask(sqlite_invoke, f"billing {given} {words}") == [], given
    assert sorted(folder.iterdir()) == before


def test_a_database_at_rest_is_left_as_it_is(sqlite_invoke: Invoke) -> None:
    fill(sqlite_invoke)
    path = Path(sqlite_invoke.database.removeprefix("sqlite:///"))
    before = path.read_bytes(), sorted(path.parent.iterdir())
    assert ask(sqlite_invoke, "billing usage --user jo") == ["john"]
    assert (path.read_bytes(), sorted(path.parent.iterdir())) == before


def test_what_others_are_writing_is_seen_once_committed(sqlite_invoke: Invoke) -> None:
    path = sqlite_invoke.database.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("INSERT INTO billing_users (user_key, user_id) VALUES (1, 'john')")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO billing_users (user_key, user_id) VALUES (2, 'jane')")
        assert ask(sqlite_invoke, "billing usage --user j") == ["john"]


# The scripts, in real shells


@pytest.mark.parametrize("name", scripts())
def test_scripts_are_up_to_date(name: str) -> None:
    assert (COMPLETIONS / name).read_text(encoding="utf-8") == scripts()[name], (
        "run: make completions"
    )


@pytest.fixture(scope="module")
def desk(
    tmp_path_factory: pytest.TempPathFactory, sqlite_templates: SqliteTemplates, programs: Path
) -> Desk:
    folder = tmp_path_factory.mktemp("desk")
    fill(Invoke(folder, sqlite_templates.copy_to(folder / "here.db")))
    work = folder / "work"
    (work / "file.json").touch()
    return Desk(
        work,
        {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder / "home"),
            "ZDOTDIR": str(folder / "home"),
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "BILLING_DATABASE_URL": str(folder / "here.db"),
        },
    )


@pytest.fixture(scope="module", params=[bash, zsh, fish], ids=["bash", "zsh", "fish"])
def complete(
    request: pytest.FixtureRequest, desk: Desk, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], str]]:
    """What types a line and the tab key into a shell, and returns the line after that."""
    yield from request.param(desk, tmp_path_factory.mktemp("shell"))


# What is offered is shown above: here is what shells make of words, quotes, colons and files.
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("billing inv", ["invoice"]),
        ("billing config ", COMMANDS),
        ("billing usage --period 2025-0", ["2025-01", "2025-02"]),
        ("billing usage --user ", [*USERS, *HOSTILE]),
        ("billing usage --user team:a", ["team:alpha"]),
        ("billing usage --user=team:a", ["--user=team:alpha"]),
        ("billing usage --user 'team:a", ["team:alpha"]),
        ("billing usage --user m", ["mary ann"]),
        (r"billing usage --user \$", ["$(touch pwned)"]),
        ("billing --database sqlite:///../here.db meter show s3", ["s3"]),
        ("billing --database=sqlite:///../here.db meter show s3", ["s3"]),
        # Where a value cannot be looked up, no file is offered in its place;
        ("billing --database gone.db meter show ", []),
        ("billing usage --user file", []),
        # files are where one is asked for.
        ("billing --config fi", ["file.json"]),
        ("billing db backup fi", ["file.json"]),
    ],
)
def test_in_a_shell(
    complete: Callable[[str], str], desk: Desk, line: str, words: list[str]
) -> None:
    completed = complete(line)
    if not words:
        assert completed.strip() == line.strip()
    else:
        before = len(words_of(line)) - 1
        assert sorted(words_of(completed.rstrip())[before:]) == sorted(words)
    assert not (desk.folder / "pwned").exists()
