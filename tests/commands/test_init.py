"""``billing init``: a first config file and a database, never over what is there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.command_line import Invoke

NEXT = "next: billing meter ingest FILE, billing meter run, billing invoice generate\n"


def test_init_sets_up_and_again_keeps(
    invoke_on: Callable[[str], Invoke], empty_database_url: str
) -> None:
    run = invoke_on(empty_database_url)
    first = run("init").ok()
    assert first.stdout == ""
    said = first.stderr.splitlines(keepends=True)
    assert said[0] == "wrote billing.json; docs/configuration.md explains each key\n"
    assert said[1].startswith("the database ")
    assert said[1].endswith(" is ready\n")
    assert said[2:] == [NEXT]
    path = run.work / "billing.json"
    path.write_text(json.dumps({"invoiceDay": 15}))
    again = run("init").ok()
    assert again.stderr.splitlines()[0] == "kept billing.json, which is already there"
    assert json.loads(path.read_text()) == {"invoiceDay": 15}
    assert run("db", "check").exit_code == 0


def test_init_writes_where_it_is_told(sqlite_invoke: Invoke) -> None:
    said = sqlite_invoke("init", "--file", "mine.json").ok().stderr
    assert said.startswith("wrote mine.json; ")
    assert "\ncommands read it with --config mine.json, or where BILLING_CONFIG names it\n" in said
    nowhere = sqlite_invoke("init", "--file", "none/mine.json")
    assert nowhere.exit_code == 6
    assert nowhere.stderr == (
        "error: none/mine.json cannot be written: No such file or directory\n"
        "hint: name another with --file\n"
    )


def test_init_writes_what_is_named_to_all_commands(sqlite_invoke: Invoke) -> None:
    assert sqlite_invoke("--config", "a.json", "init").ok().stderr.startswith("wrote a.json; ")
    assert sqlite_invoke("--config", "a.json", "config", "validate").exit_code == 0
    environ = {"BILLING_CONFIG": "b.json"}
    assert "'billing init' writes one" in sqlite_invoke("usage", environ=environ).stderr
    assert sqlite_invoke("init", environ=environ).ok().stderr.startswith("wrote b.json; ")
    assert sqlite_invoke("usage", environ=environ).exit_code == 0
    other = sqlite_invoke("init", "--file", "c.json", environ=environ).ok().stderr
    assert "\ncommands go on reading b.json, which BILLING_CONFIG names\n" in other


def test_init_uses_the_database_that_the_file_names(sqlite_invoke: Invoke) -> None:
    path = sqlite_invoke.configure(databaseUrl="sqlite:///mine.db")
    run = type(sqlite_invoke)(sqlite_invoke.folder, str(sqlite_invoke.work / "given.db"))
    assert "given.db is ready" in run("init").ok().stderr
    assert not (path.parent / "mine.db").exists()


def test_init_says_what_is_wrong_with_the_file_that_is_there(sqlite_invoke: Invoke) -> None:
    sqlite_invoke.configure(invoiceDay=31)
    result = sqlite_invoke("init")
    assert result.exit_code == 8
    assert result.stderr == (
        "kept billing.json, which is already there\n"
        "error: billing.json: invoiceDay: must be at most 28, not 31\n"
        "hint: docs/configuration.md explains every key; "
        "'billing config schema' prints a JSON Schema\n"
    )
