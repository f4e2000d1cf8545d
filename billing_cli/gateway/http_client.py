"""Requests to one server over HTTP: certificates checked, time limited, redirects not followed.

The standard library's client does all that is needed: one server, small bodies, one connection
that is kept. It follows no redirects and no proxies of the environment, so what is signed for one
address goes there and nowhere else.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from email.utils import parsedate_to_datetime
from http.client import (
    HTTPConnection,
    HTTPException,
    HTTPResponse,
    HTTPSConnection,
    IncompleteRead,
    RemoteDisconnected,
)
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from billing_cli import __version__
from billing_cli.errors import NotConfiguredError
from billing_cli.gateway.deadlines import deadline

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

_LONGEST_PAUSE: Final = 86_400
_LARGEST_ANSWER: Final = 4 * 1024 * 1024
_STALE: Final = (RemoteDisconnected, BrokenPipeError, ConnectionResetError)
_CLOSED: Final[dict[type[HTTPException], str]] = {
    RemoteDisconnected: "the connection was closed without an answer",
    IncompleteRead: "the connection was closed in the middle of an answer",
}


class Response(NamedTuple):
    """An answer: its status, one of its headers that matters, and its body."""

    status: int
    retry_after: str | None
    body: bytes


class UnreachableError(Exception):
    """There was no answer; the text says why, and names the server and nothing of the path."""


class HttpClient:
    """Speaks to the server of a URL. ``timeout`` is for each request as a whole, in seconds."""

    def __init__(self, url: str, timeout: int, ca_file: str | None = None) -> None:
        """Keep where the server is; nothing is connected yet."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        self.path = parts.path.rstrip("/") if parts.path else ""
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._timeout = timeout
        self._context = tls_context(ca_file) if parts.scheme == "https" else None
        self._connection: HTTPConnection | None = None

    @property
    def server(self) -> str:
        """The server as it is named in messages."""
        return self._host if self._port is None else f"{self._host}:{self._port}"

    def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Response:
        """Send a request and return the answer, whatever it is; :class:`UnreachableError` if none.

        What the server closed while it was not used is opened again, once.
        """
        reused = self._connection is not None
        try:
            return self._once(method, target, headers, body)
        except _STALE as error:
            if not reused:
                raise self._unreachable(error) from error
        except (OSError, HTTPException) as error:
            raise self._unreachable(error) from error
        try:
            return self._once(method, target, headers, body)
        except (OSError, HTTPException) as error:
            raise self._unreachable(error) from error

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _once(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None
    ) -> Response:
        connection = self._connection = self._connection or self._new()
        sent = {"User-Agent": f"billing/{__version__}", "Accept": "application/json", **headers}
        # The library lets go of the socket before the body of an answer that ends the connection.
        held: socket.socket | None = None
        try:
            with deadline(self._timeout, lambda: connection.sock or held) as limit:
                try:
                    connection.request(method, target, body, sent)
                    held = connection.sock
                    answer = self._read(connection.getresponse())
                except (OSError, HTTPException, ValueError) as error:
                    if limit.passed:
                        raise TimeoutError from error
                    raise
                # What was broken off reads like a body that has come to its end.
                limit.check()
                return answer
        except BaseException:
            self.close()
            raise

    def _read(self, response: HTTPResponse) -> Response:
        body = response.read(_LARGEST_ANSWER)
        if response.length and len(body) < _LARGEST_ANSWER:
            raise IncompleteRead(body, response.length)
        if response.length or response.will_close or not response.isclosed():
            self.close()
        return Response(response.status, response.getheader("Retry-After"), body)

    def _new(self) -> HTTPConnection:
        if self._context is None:
            return HTTPConnection(self._host, self._port, timeout=self._timeout)
        return HTTPSConnection(self._host, self._port, timeout=self._timeout, context=self._context)

    def _unreachable(self, error: Exception) -> UnreachableError:
        return UnreachableError(f"{self.server}: {why(error, self._timeout)}")


def pause_of(text: str | None, now: int) -> int | None:
    """Return for how many seconds a ``Retry-After`` asks, at most a day, None if for none."""
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        seconds = int(text[:10])
    else:
        try:
            seconds = int(parsedate_to_datetime(text).timestamp()) - now
        except (ValueError, OverflowError):
            return None
    return min(seconds, _LONGEST_PAUSE) if seconds > 0 else None


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Return what checks certificates, against those of a file or the system's."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise NotConfiguredError(
            f"the certificates in {ca_file} cannot be read: {why(error, 0)}",
            "mend caFile in the config file",
        ) from None


def why(error: Exception, timeout: int) -> str:
    """Say in a few words why nothing came back."""
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'no reason is known'}"
    if isinstance(error, HTTPException):
        return _CLOSED.get(type(error)) or f"the answer is not HTTP ({type(error).__name__})"
    text = type(error).__name__
    with suppress(AttributeError):
        text = getattr(error, "strerror", None) or text
    return text
