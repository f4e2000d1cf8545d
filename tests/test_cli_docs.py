"""The reference of the command line: it is up to date, and every command explains itself."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

import pytest
from typer.core import TyperArgument, TyperOption

from docs.generate import PAGE, Leaf, described, leaves, reference, root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.command_line import Invoke

LEAVES: Final = list(leaves())
COMMANDS: Final = [leaf for leaf in LEAVES if not leaf.is_group]
GROUPS: Final = [Leaf((), root()), *(leaf for leaf in LEAVES if leaf.is_group)]
GLOBAL: Final = {name for option in root().params for name in option.opts}

every_command: Final = pytest.mark.parametrize("leaf", COMMANDS, ids=lambda leaf: leaf.title)
every_help: Final = pytest.mark.parametrize(
    "leaf", [Leaf((), root()), *LEAVES], ids=lambda leaf: leaf.title
)


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: make docs"


@pytest.mark.parametrize("columns", ["20", "400"])
def test_page_is_the_same_in_every_terminal(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    before = reference()
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERMINAL_WIDTH", columns)
    monkeypatch.setenv("NO_COLOR", "1")
    assert reference() == before


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.title)
def test_help_begins_with_a_sentence(leaf: Leaf) -> None:
    summary = described(leaf.command.help)[0]
    assert summary[0].isupper()
    assert summary.endswith(".")


@every_command
def test_parameters_are_explained(leaf: Leaf) -> None:
    silent = [
        parameter.name
        for parameter in leaf.command.params
        if isinstance(parameter, TyperArgument | TyperOption) and not parameter.help
    ]
    assert silent == []


@every_command
def test_has_an_example(leaf: Leaf) -> None:
    assert leaf.examples, f"{leaf.title} --help has no example"
    calls = [call for example in leaf.examples for call in _calls(example)]
    assert any(_command_of(call) == leaf.title for call in calls)


@every_command
def test_examples_use_options_that_are_there(leaf: Leaf) -> None:
    by_title = {other.title: other for other in COMMANDS}
    for words in (call for example in leaf.examples for call in _calls(example)):
        command = by_title[_command_of(words)].command
        known = GLOBAL | {name for option in command.params for name in option.opts}
        # A minus may begin an amount, too.
        assert {word for word in words if re.match(r"-[^\d]", word)} <= known


@every_command
def test_help_fits_a_terminal(leaf: Leaf, sqlite_invoke: Invoke) -> None:
    result = sqlite_invoke(*leaf.path, "--help", environ={"COLUMNS": "80"}).ok()
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert leaf.title in result.stdout
    assert result.stderr == ""


@every_help
def test_help_is_not_cut_off_and_knows_no_python(leaf: Leaf, sqlite_invoke: Invoke) -> None:
    shown = sqlite_invoke(*leaf.path, "--help", environ={"COLUMNS": "80"}).ok().stdout
    assert [line for line in shown.splitlines() if line.endswith("...")] == []
    marks = ("<str>", "<list", "<int", "<text", "…]...", "[[", "{")
    assert [mark for mark in marks if mark in shown] == []


@every_command
def test_help_names_what_it_takes_as_the_page_does(leaf: Leaf, sqlite_invoke: Invoke) -> None:
    shown = sqlite_invoke(*leaf.path, "--help", environ={"COLUMNS": "80"}).ok().stdout
    usage = " ".join(shown.partition("\n\n")[0].split()).removeprefix("Usage: ")
    assert f"\n    {usage}\n" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("group", GROUPS, ids=lambda leaf: leaf.title)
def test_lists_of_commands_say_all_of_each(group: Leaf, sqlite_invoke: Invoke) -> None:
    shown = " ".join(sqlite_invoke(*group.path, "--help").ok().stdout.split())
    for leaf in LEAVES:
        if leaf.path[:-1] == group.path:
            assert f" {leaf.path[-1]} {leaf.summary}" in shown


def _calls(example: str) -> Iterator[list[str]]:
    """Yield the words of each call of billing in a line for a shell."""
    lexer = shlex.shlex(example, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    call: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("|&;<>"):
            if call[:1] == ["billing"]:
                yield call
            call = []
        else:
            call.append(word)


def _command_of(call: list[str]) -> str:
    """Return the title of the command that a call runs."""
    titles = {leaf.title for leaf in LEAVES}
    title = "billing"
    for word in call[1:]:
        if f"{title} {word}" in titles:
            title = f"{title} {word}"
    return title
