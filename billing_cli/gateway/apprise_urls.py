"""Telling people of events through the services that the library Apprise knows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from billing_cli.errors import NotConfiguredError, NotInstalledError
from billing_cli.gateway.outcomes import DELIVERED, Outcome, failed

if TYPE_CHECKING:
    from apprise import Apprise

# What the library logs may hold the URLs, and these hold passwords.
_LOGGER: Final = "apprise"
_HINT: Final = "write one URL a line, as https://github.com/caronc/apprise/wiki explains"


class AppriseSink:
    """Sends a title and a text to some of Apprise's URLs."""

    def __init__(self, secret: str) -> None:
        """Read the URLs, one a line; raises :class:`NotConfiguredError`, which shows none."""
        self._apprise = _library()
        urls = [line.strip() for line in secret.splitlines()]
        for number, url in enumerate(filter(None, urls), 1):
            if not self._apprise.add(url):
                raise NotConfiguredError(f"its URL number {number} is not known to apprise", _HINT)
        if not len(self._apprise):
            raise NotConfiguredError("it has no URLs", _HINT)

    def send(self, title: str, text: str) -> Outcome:
        """Send a message to every URL; it failed where one of them did not take it."""
        if self._apprise.notify(body=text, title=title, body_format="text"):
            return DELIVERED
        return failed("not every service of apprise took the message")

    def close(self) -> None:
        """Do nothing: the library keeps no connection."""


def _library() -> Apprise:
    try:
        from apprise import Apprise, AppriseAsset
    except ModuleNotFoundError:
        raise NotInstalledError(
            "it needs the library apprise, which is not installed",
            "install it with: pip install 'billing-cli[notify]'",
        ) from None
    logger = logging.getLogger(_LOGGER)
    logger.propagate = False
    logger.setLevel(logging.CRITICAL + 1)
    return Apprise(asset=AppriseAsset(app_id="billing", app_desc="billing", app_url=""))
