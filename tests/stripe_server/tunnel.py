"""The other side of ``stripe listen``: a session, and a WebSocket on which events are sent.

Only what the command needs of RFC 6455: unbroken text messages, pings, and the end.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import struct
import threading
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from tests.stripe_server import webhooks, wheel
from tests.stripe_server.wire import Response

if TYPE_CHECKING:
    import socket

    from tests.stripe_server.state import Object
    from tests.stripe_server.wire import Request

SESSIONS: Final = "/v1/stripecli/sessions"
SUBSCRIBE: Final = "/subscribe"
_GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_MEDIUM: Final = 126
_LARGE: Final = 127


class Tunnels:
    """The command lines that listen. ``replies`` are what their receivers answered to events."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.replies: list[dict[str, Any]] = []
        self._open: list[socket.socket] = []
        self._guard = threading.Lock()
        self.connected = threading.Event()

    def answer(self, request: Request) -> Response | None:
        """Answer what only the command line asks for; None for all else."""
        if request.path == SESSIONS:
            host = request.headers["host"]
            session = {
                "default_version": wheel.api_version(),
                "display_connect_filter_warning": False,
                "latest_version": wheel.api_version(),
                "reconnect_delay": 0,
                "secret": self.secret,
                "websocket_authorized_feature": "webhooks",
                "websocket_id": "cliws_standin",
                "websocket_url": f"ws://{host}{SUBSCRIBE}",
            }
            return Response(body=json.dumps(session).encode())
        if request.path == SUBSCRIBE:
            key = request.headers["sec-websocket-key"] + _GUID
            accept = base64.b64encode(hashlib.sha1(key.encode()).digest())  # noqa: S324 - RFC 6455
            headers = {
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Accept": accept.decode(),
            }
            return Response(101, headers=headers, takeover=self._serve)
        return None

    def push(self, event: Object, moment: int) -> None:
        """Send an event to all who listen."""
        body = json.dumps(event)
        message = {
            "endpoint": {"api_version": None, "status": "enabled"},
            "event_payload": body,
            "http_headers": {
                "Content-Type": "application/json; charset=utf-8",
                "Stripe-Signature": webhooks.signature(body.encode(), self.secret, moment),
            },
            "type": "webhook_event",
            "webhook_conversation_id": f"wc_{event['id']}",
            "webhook_id": f"wh_{event['id']}",
        }
        frame = _frame(_TEXT, json.dumps(message).encode())
        with self._guard:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.sendall(frame)

    def _serve(self, connection: socket.socket, stream: BinaryIO) -> None:
        with self._guard:
            self._open.append(connection)
        self.connected.set()
        try:
            while (message := _read(stream)) and message[0] != _CLOSE:
                kind, body = message
                if kind == _PING:
                    with self._guard:
                        connection.sendall(_frame(_PONG, body))
                elif kind == _TEXT and (reply := json.loads(body))["type"] == "webhook_response":
                    self.replies.append(reply)
        finally:
            with self._guard:
                self._open.remove(connection)


def _frame(kind: int, body: bytes) -> bytes:
    """A message of the server's, which is not masked."""
    size = len(body)
    if size < _MEDIUM:
        head = struct.pack("!BB", 0x80 | kind, size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 | kind, _MEDIUM, size)
    else:
        head = struct.pack("!BBQ", 0x80 | kind, _LARGE, size)
    return head + body


def _read(stream: BinaryIO) -> tuple[int, bytes] | None:
    """A message of the client's, which is masked; None at the end of the connection."""
    head = stream.read(2)
    if len(head) < 2:
        return None
    size = head[1] & 0x7F
    if size == _MEDIUM:
        size = struct.unpack("!H", stream.read(2))[0]
    elif size == _LARGE:
        size = struct.unpack("!Q", stream.read(8))[0]
    mask = stream.read(4)
    body = stream.read(size)
    return head[0] & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(body))
