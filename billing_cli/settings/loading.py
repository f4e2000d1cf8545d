"""Putting file, environment, command line and defaults together into frozen settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from billing_cli.errors import NotConfiguredError, UsageError
from billing_cli.pricing.excerpts import quoted
from billing_cli.settings.checking import Problem, ProblemsError, check_document
from billing_cli.settings.database_url import (
    has_password,
    mask_database_url,
    normalise_database_url,
)
from billing_cli.settings.finding import (
    Content,
    default_database_path,
    find_config,
    shown_path,
)
from billing_cli.settings.model import ConfigValues
from billing_cli.settings.money_document import money_document
from billing_cli.settings.reading import DocumentError, read_document
from billing_cli.settings.stripe_secrets import SECRETS, exposure, find_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DEFAULT = "default"

_HINT = "docs/configuration.md explains every key; 'billing config schema' prints a JSON Schema"


class ConfigurationError(NotConfiguredError):
    """A config file, or what it refers to, is wrong; ``problems`` has everything that is."""

    def __init__(self, where: str, problems: Sequence[Problem]) -> None:
        """Say where the problems are, then each on a line of its own."""
        lines = [f"{where}: {problems[0]}"]
        if len(problems) > 1:
            lines = [
                f"{where} has {len(problems)} problems:",
                *(f"  {problem}" for problem in problems),
            ]
        super().__init__("\n".join(lines), _HINT)
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings a command works with, and where each came from.

    ``sources`` maps each key in dotted form (a list is one key) to ``"default"``, the path of
    a file, ``"environment NAME"`` or ``"--database"``. ``database_url`` may hold a password:
    show :attr:`shown_database_url` instead. ``warnings`` are lines for the operator.
    """

    values: ConfigValues
    config_path: Path | None
    database_url: str = field(repr=False)
    sources: Mapping[str, str]
    warnings: tuple[str, ...] = ()

    @property
    def shown_database_url(self) -> str:
        """The database's URL without passwords."""
        return mask_database_url(self.database_url)

    def money_document(self) -> dict[str, object]:
        """Return the settings that decide money as a canonical JSON-able document.

        Keys are those of the config file and decimals are plain texts (``"0.05"``). Settings
        that charge the same give equal documents, however the file spells or orders them.
        """
        return money_document(self.values)


def load_settings(
    config: str | Path | None, database: str | None, environ: Mapping[str, str]
) -> Settings:
    """Find the config file and the database, and return the settings in force.

    ``config`` and ``database`` are the values of ``--config`` and ``--database``. Without them
    the environment is asked (an empty variable counts as unset), then the usual places.

    Raises :class:`NotFoundError` when a named file is missing, :class:`ConfigurationError`
    with every problem when file or environment is not right, and :class:`UsageError` when
    ``--database`` is not a database's URL.
    """
    chosen = _from_command_line(database)
    warnings: list[str] = []
    file = find_config(config, environ, warnings)
    path = None if file is None else file.path
    document, values, problems = _read_values(file)
    secrets = find_secrets(document, path.parent if path else Path(), environ)
    problems += secrets.problems
    chosen = chosen or _from_environment(environ, problems)
    if problems:
        raise ConfigurationError(shown_path(path) if path else "the environment", problems)

    sources = dict.fromkeys(_leaves(ConfigValues().model_dump(by_alias=True)), DEFAULT)
    if file is not None:
        sources |= dict.fromkeys(_leaves(document), shown_path(file.path))
        warnings += _exposed(file, values)
    sources |= secrets.sources
    if chosen is not None:
        url, sources["databaseUrl"] = chosen
    else:
        url = values.database_url or f"sqlite:///{default_database_path()}"
    return Settings(
        values=values.model_copy(update=secrets.values),
        config_path=path,
        database_url=url,
        sources=MappingProxyType(sources),
        warnings=(*warnings, *secrets.warnings),
    )


def _read_values(file: Content | None) -> tuple[dict[str, object], ConfigValues, list[Problem]]:
    """Return the document, its values (the defaults, if it has problems), and its problems."""
    if file is None:
        return {}, ConfigValues(), []
    try:
        document, repeated = read_document(file.content)
    except DocumentError as error:
        return {}, ConfigValues(), [Problem("", str(error))]
    problems = [Problem("", f"says the key {quoted(key)} more than once") for key in repeated]
    try:
        return document, check_document(document), problems
    except ProblemsError as error:
        return document, ConfigValues(), [*problems, *error.problems]


def _from_command_line(database: str | None) -> tuple[str, str] | None:
    """Return the URL that ``--database`` gives and its source."""
    if database is None:
        return None
    try:
        return normalise_database_url(database), "--database"
    except ValueError as error:
        raise UsageError(
            f"--database {error}", "use billing.db or postgresql://user@host/name"
        ) from None


def _from_environment(
    environ: Mapping[str, str], problems: list[Problem]
) -> tuple[str, str] | None:
    """Return the URL that the environment gives and its source; adds to ``problems``."""
    text = environ.get("BILLING_DATABASE_URL")
    if not text:
        return None
    try:
        return normalise_database_url(text), "environment BILLING_DATABASE_URL"
    except ValueError as error:
        problems.append(Problem("BILLING_DATABASE_URL", str(error)))
        return None


def _exposed(file: Content, values: ConfigValues) -> list[str]:
    """Warn when other users can read secrets in the config file itself."""
    if not file.exposed:
        return []
    held = [key for key, attribute, _ in SECRETS if getattr(values, attribute) is not None]
    if has_password(values.database_url or ""):
        held.append("the password in databaseUrl")
    return [exposure(file.path, f"holds {' and '.join(held)}")] if held else []


def _leaves(document: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of a document; a list is one key, however long."""
    for key, value in document.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"
