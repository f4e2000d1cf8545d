"""The errors an operator can cause or meet, each with the exit code that scripts rely on.

One place, :func:`billing_cli.main.main`, turns them into a line on stderr and an exit status.
"""

from __future__ import annotations


class BillingError(Exception):
    """What went wrong, where, and what to do about it.

    ``message`` says what and where in one line; ``hint`` says what to do. Both are shown to
    the operator as they are, so neither may hold a secret.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        """Keep the message and the hint."""
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(BillingError):
    """The command line asks for something that cannot be asked."""

    exit_code = 2


class NotFoundError(BillingError):
    """What the command names does not exist."""

    exit_code = 3


class ConflictError(BillingError):
    """The command is not allowed in the present state."""

    exit_code = 4


class InvalidDataError(BillingError):
    """Input was rejected, in part or as a whole."""

    exit_code = 5


class UnavailableError(BillingError):
    """The database or a service cannot be reached or cannot work."""

    exit_code = 6


class IncompleteError(BillingError):
    """The work was done in part, or a check failed."""

    exit_code = 7


class NotConfiguredError(BillingError):
    """Something has to be configured, or the schema upgraded, first."""

    exit_code = 8


class NotInstalledError(NotConfiguredError):
    """A library is missing that comes with one of the program's extras."""
