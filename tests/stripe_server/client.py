"""The official library as the client of the stand-in."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import stripe as library  # noqa: TID251 - the one place of the tests that imports it

if TYPE_CHECKING:
    from collections.abc import Iterator

Client = library.StripeClient
KEY: Final = "sk_test_standin0123456789"
_SECONDS: Final = 10


@contextlib.contextmanager
def client(
    url: str, key: str = KEY, *, retries: int = 0, seconds: float = _SECONDS
) -> Iterator[Client]:
    """A client of a server, whose connections are closed at the end."""
    http = library.RequestsClient(timeout=seconds)
    try:
        yield Client(
            key,
            base_addresses={"api": url, "files": url, "connect": url, "meter_events": url},
            http_client=http,
            max_network_retries=retries,
        )
    finally:
        http.close()  # type: ignore[no-untyped-call] # as the library has it


__all__ = ["KEY", "Client", "client", "library"]
