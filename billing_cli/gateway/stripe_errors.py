"""What can come back from Stripe in the place of an answer. None of them holds a secret."""

from __future__ import annotations

from typing import Final

_MISSING: Final = 404
_FORBIDDEN: Final = 403


class StripeRefusalError(Exception):
    """Stripe said no: nothing was done, and asking the same again will not change that.

    ``code`` is Stripe's (of a declined card the decline's), ``status`` that of HTTP.
    """

    def __init__(self, text: str, code: str, status: int) -> None:
        """Keep what Stripe said."""
        super().__init__(f"{text} ({code})" if code else text)
        self.code = code
        self.status = status

    @property
    def is_missing(self) -> bool:
        """Whether there is no such object."""
        return self.status == _MISSING or self.code == "resource_missing"

    @property
    def is_forbidden(self) -> bool:
        """Whether the key may not do this."""
        return self.status == _FORBIDDEN


class StripeSilenceError(Exception):
    """No answer that tells: a write may have been done or not.

    With ``is_stored`` the same key will only ever bring the same answer: what became of the write
    has to be looked up.
    """

    def __init__(self, text: str, *, is_stored: bool = False) -> None:
        """Keep what is known."""
        super().__init__(text)
        self.is_stored = is_stored
