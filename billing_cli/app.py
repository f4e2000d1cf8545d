"""What a command works with. Nothing is read, opened or connected before it is asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from billing_cli.clock import Clock
from billing_cli.errors import NotConfiguredError, NotInstalledError
from billing_cli.logs import Log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Engine

    from billing_cli.gateway.stripe_client import StripeGateway
    from billing_cli.settings import Settings
    from billing_cli.store.outbox import Told
    from billing_cli.store.unit_of_work import UnitOfWork


@dataclass
class App:
    """The global options, and from them the settings, the clock and the database.

    ``config``, ``database`` and ``at`` are the values of ``--config``, ``--database`` and
    ``--at``, or of their environment variables. ``log`` takes a line for each thing that is done.
    """

    config: str | None = None
    database: str | None = None
    at: str | None = None
    log: Log = field(default_factory=Log)

    @cached_property
    def clock(self) -> Clock:
        """The clock, standing still at ``--at`` where that is given."""
        if self.at is None:
            return Clock()
        from billing_cli.options import parse_moment

        return Clock(parse_moment(self.at, "--at"))

    @cached_property
    def settings(self) -> Settings:
        """The settings, read once; what is doubtful about them is said on stderr."""
        from billing_cli.output import warn
        from billing_cli.settings import load_settings

        settings = load_settings(self.config, self.database, os.environ)
        for warning in settings.warnings:
            warn(warning)
        return settings

    @cached_property
    def engine(self) -> Engine:
        """The database's engine; connects only when used, and does not look at the schema."""
        from billing_cli.store.engine import open_engine

        # Only the usual place is made as a whole: elsewhere a missing folder is a slip of the pen.
        usual = self.settings.sources["databaseUrl"] == "default"
        return open_engine(self.settings.database_url, make_folder=usual)

    def unit_of_work(self, *, rehearse: bool = False) -> UnitOfWork:
        """Return a unit of work on a database whose schema fits.

        On entering it an empty database is set up; one that does not fit raises
        :class:`~billing_cli.errors.NotConfiguredError`. With ``rehearse`` nothing is kept.
        """
        from billing_cli.store.schema import fit_schema
        from billing_cli.store.unit_of_work import UnitOfWork

        return UnitOfWork(
            self.engine,
            rehearse=rehearse,
            check=fit_schema,
            told=self._log_told if self.log.on else None,
            waiting=_say_waiting,
        )

    @cached_property
    def stripe(self) -> StripeGateway:
        """The account of Stripe; connects only when asked something.

        Raises :class:`~billing_cli.errors.NotConfiguredError` where Stripe is not switched on or
        has no key, and :class:`~billing_cli.errors.NotInstalledError` without its library.
        """
        values = self.settings.values
        if not values.stripe_enabled:
            raise NotConfiguredError(
                "Stripe is not switched on", 'set "stripeEnabled": true in the config file'
            )
        if values.stripe_secret_key is None:
            raise NotConfiguredError(
                "there is no key for Stripe",
                "set STRIPE_SECRET_KEY, beginning with a test key: sk_test_... or rk_test_...",
            )
        try:
            from billing_cli.gateway.stripe_client import StripeGateway
        except ModuleNotFoundError as error:
            raise NotInstalledError(
                f"the library {error.name!r} is not installed",
                "pip install 'billing-cli[stripe]'",
            ) from error
        return StripeGateway(
            values.stripe_secret_key.get_secret_value(),
            base=values.stripe_api_base,
            rate=values.stripe_rate_limit,
            timeout=values.stripe_timeout_seconds,
            monotonic=self.clock.monotonic,
        )

    def _log_told(self, told: Sequence[Told]) -> None:
        """Log what was told to others: the things that were done, once they are."""
        for one in told:
            self.log.info(one.type, event_id=one.event_id, user_id=one.user_id, **one.details)


def _say_waiting() -> None:
    from billing_cli.output import message

    message("waiting for another process, which is writing to the database")
