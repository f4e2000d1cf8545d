"""The nouns of the command line, each imported when it is asked for.

A command costs at its start what it uses: ``billing invoice list`` imports nothing of
``billing report``, and ``billing --version`` nothing of either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pkgutil import resolve_name
from typing import Any, Final

import typer
from typer.core import TyperArgument, TyperGroup, TyperOption

TYPER_OPTIONS: Final[dict[str, Any]] = {
    # The scripts in completions/ are ours: Typer's own run what hides in a user's name.
    "add_completion": False,
    # Plain help: it keeps the examples' lines, reads the same in a pipe, and starts faster.
    "rich_markup_mode": None,
    # A traceback would show local variables, secrets among them.
    "pretty_exceptions_enable": False,
}
"""What this program wants of Typer otherwise than Typer does it by itself."""

_PLACES: Final = {
    "init": "init:init",
    "config": "config:cli",
    "db": "db:cli",
    "meter": "meter:cli",
    "dashboard": "dashboard:dashboard",
    "doctor": "doctor:doctor",
    "usage": "usage:usage",
    "invoice": "invoice_life:cli",
    "payment": "payments:cli",
    "credits": "credits:cli",
    "user": "users:cli",
    "plan": "plans:cli",
    "subscription": "subscriptions:cli",
    "tax": "taxes:cli",
    "quota": "quotas:cli",
    "events": "events:cli",
    "stripe": "stripe_events:cli",
    "job": "jobs:cli",
    "metrics": "metrics:metrics",
    "report": "reports:cli",
    "reports": "reports:alias",
}
"""Where each noun is defined: a module of ``billing_cli.commands``, and a name in it."""


class Argument(TyperArgument):
    """An argument that the help writes as docs/cli.md does, once and without a type of Python's."""

    def get_usage_pieces(self, ctx: Any = None) -> list[str]:  # noqa: ANN401, ARG002 - as Typer asks
        """Return the word of the usage line: ``USER``, ``[SECONDS]``, ``ID…``."""
        name = self.metavar or self.name
        if not self.required and not name.startswith("["):
            name = f"[{name}]"
        return [name if self.nargs == 1 or "…" in name else f"{name}…"]

    def display_type_rich(self, ctx: Any) -> None:  # noqa: ANN401 - as Typer asks
        """Say no type: what may be written is said by the name and the help."""


class NounGroup(TyperGroup):
    """A group whose commands are the nouns."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - handed on
        super().__init__(**attributes)
        _word(self)
        # Nobody adds to it, so that it need not be mutable.
        self.commands = _Nouns()  # type: ignore[assignment]


class _Nouns(Mapping[str, Any]):
    """The commands of the nouns by name: listing their names imports none of them."""

    def __init__(self) -> None:
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - Typer's commands have no public type
        if name not in self._built:
            self._built[name] = _build(name, _PLACES[name])
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


def _build(name: str, place: str) -> Any:  # noqa: ANN401 - as above
    defined = resolve_name(f"billing_cli.commands.{place}")
    holder = typer.Typer(**TYPER_OPTIONS)
    if isinstance(defined, typer.Typer):
        holder.add_typer(defined, name=name)
    else:
        holder.command(name)(defined)
    command = typer.main.get_group(holder).commands[name]
    _explain(command)
    return command


def _explain(command: Any) -> None:  # noqa: ANN401 - as above
    """Have the help of a command, and of those below it, say all, and in the words of the docs."""
    # Without one, a list of commands has as much of the help as fits a line.
    command.short_help = " ".join((command.help or "").partition("\n\n")[0].split())
    _word(command)
    if isinstance(command, TyperGroup):
        for each in command.commands.values():
            _explain(each)


def _word(command: Any) -> None:  # noqa: ANN401 - as above
    """Name what a command's options and arguments take."""
    if isinstance(command, TyperGroup):
        command.subcommand_metavar = "COMMAND [ARGS]…"
    for parameter in command.params:
        if parameter.metavar is None:
            parameter.metavar = _metavar(parameter)
        if isinstance(parameter, TyperArgument):
            # Typer makes them itself, and cannot be told of which class.
            parameter.__class__ = Argument


def _metavar(parameter: TyperArgument | TyperOption) -> str:
    """Return the words that there are to choose from, or else the name in capitals."""
    choices = parameter.type_descriptor.choices
    return "|".join(map(str, choices)) if choices else (parameter.name or "").upper()
