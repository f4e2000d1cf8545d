"""How long a command takes that has nothing to do, beside what it cannot do without."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import typer.main
from typer.core import TyperGroup

from benchmarks.databases import SQLITE
from benchmarks.invoicing import generate, metered_users
from benchmarks.measuring import Measurement, median, timed
from billing_cli.main import cli

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.databases import Databases

BAR: Final = 1.5
_USERS: Final = 20
_BARE: Final = '''\
import typer

cli = typer.Typer()


def show_version(wanted: bool) -> None:
    if wanted:
        typer.echo("bare 1.0")
        raise typer.Exit


@cli.callback()
def options(
    version: bool = typer.Option(False, "--version", callback=show_version, is_eager=True),
) -> None:
    """A program that does nothing."""
'''
_BARE_GROUP: Final = """

{name} = typer.Typer()
{parent}.add_typer({name}, name="{title}")
"""
_BARE_COMMAND: Final = '''

@{parent}.command("{title}")
def {name}() -> None:
    """Do nothing."""
'''
_BARE_END: Final = """

if __name__ == "__main__":
    cli()
"""


def measure(databases: Databases, repeats: int) -> Iterator[Measurement]:
    """Start programs in turns, each in the same way with the same interpreter."""
    folder = databases.folder
    bare, count = bare_program()
    (folder / "bare.py").write_text(bare, encoding="utf-8")
    url = metered_users(databases, SQLITE, _USERS)
    generate(url)
    program, listing = ("-m", "billing_cli"), ("--database", url, "invoice", "list")
    for arguments, shown, floor, what in (
        (
            ("--version",),
            "billing --version",
            ("-m", "bare", "--version"),
            f"a bare Typer program of {count} commands",
        ),
        (
            ("--help",),
            "billing --help",
            ("-m", "bare", "--help"),
            f"a bare Typer program of {count} commands",
        ),
        (listing, "billing invoice list", ("-c", "import sqlmodel"), 'python -c "import sqlmodel"'),
    ):
        ours, theirs = _in_turns((*program, *arguments), floor, repeats, folder)
        yield Measurement(
            name=shown,
            database=SQLITE if arguments is listing else "",
            items=1,
            unit="starts",
            seconds=ours,
            repeats=repeats,
            bar=BAR,
            floor_seconds=theirs,
            floor=what,
        )
    databases.drop(url)


def bare_program() -> tuple[str, int]:
    """Return a Typer program of the same commands without anything in them, and their number."""
    parts: list[str] = []
    count = _add_commands(typer.main.get_command(cli), "cli", parts)
    return "".join((_BARE, *parts, _BARE_END)), count


def _add_commands(group: object, parent: str, parts: list[str]) -> int:
    """Add the source of what a group holds; return how many commands that is."""
    if not isinstance(group, TyperGroup):
        return 1
    count = 0
    for title, command in group.commands.items():
        name = f"{parent}_{title}".replace("-", "_")
        nested = isinstance(command, TyperGroup)
        parts.append((_BARE_GROUP if nested else _BARE_COMMAND).format(**locals()))
        count += _add_commands(command, name, parts)
    return count


def _in_turns(
    ours: Sequence[str], floor: Sequence[str], repeats: int, folder: Path
) -> tuple[float, float]:
    """Return the median seconds of both, after a run of each that fills the caches."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats + 1):
        for kept, arguments in zip(times, (ours, floor), strict=True):
            kept.append(timed(lambda: _start(arguments, folder))[0])  # noqa: B023 - called at once
    return median(times[0][1:]), median(times[1][1:])


def _start(arguments: Sequence[str], folder: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_")}
    # Nothing of this machine's settings is read: home and working directory are the bench's own.
    environ |= {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "COLUMNS": "100"}
    subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environ, check=True, capture_output=True
    )
