"""What the doctor's checks work with, and what they return."""

from __future__ import annotations

import os
from contextlib import contextmanager
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.errors import BillingError
from billing_cli.services import db
from billing_cli.settings import Settings, load_settings
from billing_cli.store import schema
from billing_cli.store.engine import require_existing, translated
from billing_cli.store.unit_of_work import UnitOfWork

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing_cli.app import App
    from billing_cli.store.schema import SchemaState
    from billing_cli.store.unit_of_work import Transaction

OK, WARNING, FAILED, SKIPPED = "ok", "warning", "failed", "skipped"
STATES: Final = (OK, WARNING, FAILED, SKIPPED)


class Finding(NamedTuple):
    """A state, what was found in one line, and what to do about it."""

    state: str
    found: str
    advice: str | None = None


class Need(IntEnum):
    """What a check cannot do without; each includes those before it."""

    NOTHING = 0
    SETTINGS = 1
    DATABASE = 2
    SCHEMA = 3


class Place:
    """An installation as it is found, broken or not. What cannot be had is asked for only once."""

    def __init__(self, app: App) -> None:
        """Keep the command's options."""
        self.app = app

    @cached_property
    def loaded(self) -> Settings | BillingError:
        """The settings, or why there are none. Unlike other commands this says no warnings."""
        try:
            settings = load_settings(self.app.config, self.app.database, os.environ)
        except BillingError as error:
            return error
        self.app.settings = settings
        return settings

    @property
    def settings(self) -> Settings:
        """The settings; raises what is wrong with them."""
        if isinstance(self.loaded, BillingError):
            raise self.loaded
        return self.loaded

    @property
    def now(self) -> int:
        """The moment that is looked at."""
        return self.app.clock.now()

    @cached_property
    def connected(self) -> SchemaState | BillingError:
        """What the database holds, or why it cannot be reached. A missing file is not made."""
        try:
            require_existing(self.settings.database_url)
            engine = self.app.engine
            with translated(engine.url), engine.connect() as connection:
                return schema.inspect_schema(connection)
        except BillingError as error:
            return error

    def missing(self, need: Need) -> str | None:
        """Say what is not there of what is needed; None where all is."""
        if need >= Need.SETTINGS and isinstance(self.loaded, BillingError):
            return "the configuration cannot be read"
        if need >= Need.DATABASE and isinstance(self.connected, BillingError):
            return "the database cannot be used"
        if need >= Need.SCHEMA and not self.has_schema:
            return "the database has another schema"
        return None

    @property
    def has_schema(self) -> bool:
        """Whether the database has the schema that this program needs."""
        found = self.connected
        return not isinstance(found, BillingError) and found.version == schema.HEAD

    @cached_property
    def checked(self) -> list[dict[str, str]]:
        """What ``billing db check`` finds, looked for once."""
        return db.check(self.app)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """See one consistent state of the database."""
        with UnitOfWork(self.app.engine) as uow, uow.reading() as tx:
            yield tx


def counted(number: int, one: str, many: str) -> str:
    """Return a number with what it counts."""
    return f"{number:,} {one if number == 1 else many}"


def in_bytes(size: int) -> str:
    """Return a size as people say it: whole MB, above 10 GB whole GB."""
    mega = 1_000_000
    if size >= 10_000 * mega:
        return f"{size // (1_000 * mega):,} GB"
    return f"{max(1, size // mega):,} MB"
