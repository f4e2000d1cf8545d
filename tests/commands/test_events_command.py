"""``billing events``: what was told can be listed, and told again."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from billing_cli.commands.events import _LISTED
from billing_cli.pricing.notices import TYPES
from billing_cli.tables import gather, terminal_table
from tests.test_docs import PACKAGE, first_cells, page

if TYPE_CHECKING:
    from tests.command_line import CommandLine, Invoke

TYPE = re.compile(r"billing\.[a-z_]+\.[a-z_]+")


def day(number: int) -> str:
    """An instant in January 2025."""
    return f"2025-01-{number:02}T00:00:00Z"


@pytest.fixture(name="run")
def _run(invoke: Invoke) -> Invoke:
    """Three users were added, on the first three days of January."""
    for number, user in enumerate(("john", "ann", "zoe"), 1):
        invoke("user", "add", user, "--name", user.title(), at=day(number)).ok()
    return invoke


def listed(run: CommandLine, *arguments: str) -> list[str]:
    """The ids of the events that are listed."""
    return [row["id"] for row in run("events", "list", *arguments, "-o", "json").ok().json()]


def test_what_is_listed(run: Invoke) -> None:
    assert run("events", "list", "--user", "ann").ok().stdout == (
        "Id     Type                  User id    Occurred at           Recorded at           "
        "Data\n"
        "-----  --------------------  ---------  --------------------  --------------------  "
        "----------------------------------------\n"
        "evt_2  billing.user.created  ann        2025-01-02T00:00:00Z  2025-01-02T00:00:00Z  "
        "created_at=2025-01-02T00:00:00Z name=Ann\n"
    )
    assert listed(run) == ["evt_1", "evt_2", "evt_3"]
    assert listed(run, "--limit", "2") == ["evt_2", "evt_3"]
    assert listed(run, "--since", day(2)) == ["evt_2", "evt_3"]
    assert listed(run, "--since", day(1), "--until", day(3), "--limit", "1") == ["evt_2"]
    assert listed(run, "--type", "billing.user.created", "--user", "zoe") == ["evt_3"]
    assert listed(run, "--type", "billing.invoice.paid") == []


def test_telling_again(run: Invoke) -> None:
    expected = (
        '{"id": "evt_2", "type": "billing.user.created", "event": "billing.user.created", '
        '"timestamp": "2025-01-02T00:00:00Z", '
        '"data": {"created_at": "2025-01-02T00:00:00Z", "name": "Ann", "user_id": "ann"}}\n'
    )
    rehearsed = run("events", "replay", "evt_2", "--dry-run", at=day(9)).ok()
    assert rehearsed.stderr == "nothing was queued: this was a rehearsal\n"
    assert rehearsed.stdout == expected
    assert run("events", "replay", "2", at=day(9)).ok().stdout == expected
    told = run("events", "replay", "--since", day(2), at=day(10)).ok()
    assert told.stdout.count("\n") == 2
    assert run("events", "replay", "--type", "billing.invoice.paid").ok().stdout == ""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["list", "--type", "billing.invoice"], 2),
        (["list", "--limit", "0"], 2),
        (["list", "--since", "yesterday"], 2),
        (["list", "--since", day(2), "--until", day(1)], 2),
        (["list", "--user", "nobody"], 3),
        (["replay"], 2),
        (["replay", "evt_1", "--user", "ann"], 2),
        (["replay", "evt_x"], 3),
        (["replay", "evt_1"], 3),
        (["replay", "9" * 30], 3),
    ],
)
def test_what_cannot_be_asked(sqlite_invoke: Invoke, arguments: list[str], code: int) -> None:
    result = sqlite_invoke("events", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith("error: ")


def types_in_code() -> set[str]:
    """The types that the services name."""
    return {
        node.value
        for path in (PACKAGE / "services").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and TYPE.fullmatch(node.value)
    }


def test_every_type_is_documented() -> None:
    assert first_cells(page("users.md"), "## Emitted events") == list(TYPES)


def test_every_type_that_the_code_tells_is_known() -> None:
    assert types_in_code() <= set(TYPES)


def test_the_longest_type_is_whole_on_a_terminal_of_eighty_cells() -> None:
    longest = max(TYPES, key=len)
    row: dict[str, object] = {
        "id": "evt_12345",
        "type": longest,
        "user_id": "user-001",
        "occurred_at": "2025-01-01T00:00:00Z",
        "recorded_at": "2025-01-01T00:00:00Z",
        "data": {"amount": "1.00", "user_id": "user-001"},
    }
    assert longest in terminal_table(gather([row], _LISTED), 80, colour=False)
