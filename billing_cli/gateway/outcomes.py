"""What can come of an attempt to tell somebody something."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from billing_cli.pricing.excerpts import on_one_line

_LONGEST: Final = 300


class Kind(Enum):
    """What is to be done about an attempt."""

    DELIVERED = "it arrived"
    SKIPPED = "there is nobody to tell, or nothing to do"
    FAILED = "to be tried again"
    REFUSED = "trying again would not help"
    GONE = "the other side wants no more of anything"


class Outcome(NamedTuple):
    """What came of an attempt, and why, in words without a secret.

    With ``unreachable`` the other side as a whole is not there: what else is for it would fail
    alike. ``retry_after`` is for how many seconds it has asked to be left alone.
    """

    kind: Kind
    reason: str | None = None
    retry_after: int | None = None
    unreachable: bool = False


DELIVERED: Final = Outcome(Kind.DELIVERED)


def skipped(reason: str) -> Outcome:
    """Say that nobody is to be told."""
    return Outcome(Kind.SKIPPED, reason)


def failed(reason: str, retry_after: int | None = None) -> Outcome:
    """Say that this did not arrive; something else might."""
    return Outcome(Kind.FAILED, shown(reason), retry_after)


def unreachable(reason: str) -> Outcome:
    """Say that nothing arrives there at present."""
    return Outcome(Kind.FAILED, shown(reason), unreachable=True)


def refused(reason: str) -> Outcome:
    """Say that the other side will never take this."""
    return Outcome(Kind.REFUSED, shown(reason))


def gone(reason: str) -> Outcome:
    """Say that the other side wants nothing more."""
    return Outcome(Kind.GONE, shown(reason))


def shown(text: str, *secrets: str | None) -> str:
    """Return what another program has said as one short line, without these secrets."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return on_one_line(text, _LONGEST)
