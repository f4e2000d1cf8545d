"""HTTP/1.1 on loopback, with connections that stay open, and as little as a test server needs.

The server of the standard library takes several times as long for a request as the fake Stripe
behind it; and here a handler can also drop the connection, or let it hang.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_REASONS: Final = {
    101: "Switching Protocols",
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    429: "Too Many Requests",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
}


@dataclass
class Request:
    """A request; the names of its headers are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    connection: socket.socket


@dataclass
class Response:
    """An answer; ``drop`` closes the connection without one.

    ``takeover`` gets the connection after it, and speaks something else than HTTP until it returns.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    takeover: Callable[[socket.socket, BinaryIO], None] | None = None


class Listener:
    """A server on a free port of loopback, one thread for each connection."""

    def __init__(self, handle: Callable[[Request], Response], port: int = 0) -> None:
        self._handle = handle
        self._socket = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port: int = self._socket.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def close(self) -> None:
        """End all connections, and wait until nobody serves them any more."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._accepting.join()
        with self._guard:
            connections, threads = list(self._open), list(self._threads)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(timeout=5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            with self._guard:
                self._open.add(connection)
                self._threads.add(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as stream:
                while request := _read(stream, connection):
                    response = self._handle(request)
                    if response.drop:
                        # Not only closed: a process that was forked may have it open as well.
                        connection.shutdown(socket.SHUT_RDWR)
                        return
                    connection.sendall(_written(response))
                    if response.takeover:
                        response.takeover(connection, stream)
                        return
                    if request.headers.get("connection", "").lower() == "close":
                        return
        except (OSError, ValueError):
            return  # The client has gone, or speaks no HTTP.
        finally:
            with self._guard:
                self._open.discard(connection)
                self._threads.discard(threading.current_thread())


def _read(stream: BinaryIO, connection: socket.socket) -> Request | None:
    start = stream.readline(65536)
    if not start.strip():
        return None
    method, target, _version = start.decode("latin-1").split()
    headers: dict[str, str] = {}
    while line := stream.readline(65536).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = _chunks(stream)
    else:
        body = stream.read(int(headers.get("content-length", "0")))
    path, _, query = target.partition("?")
    return Request(method, path, query, headers, body, connection)


def _chunks(stream: BinaryIO) -> bytes:
    parts = []
    while size := int(stream.readline().split(b";")[0], 16):
        parts.append(stream.read(size))
        stream.readline()
    while stream.readline().strip():
        pass
    return b"".join(parts)


def _written(response: Response) -> bytes:
    headers = {"Content-Type": "application/json", **response.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    if response.status != 101:
        lines += f"Content-Length: {len(response.body)}\r\n"
    reason = _REASONS.get(response.status, "Unknown")
    return (f"HTTP/1.1 {response.status} {reason}\r\nServer: nginx\r\n{lines}\r\n").encode(
        "latin-1"
    ) + response.body
