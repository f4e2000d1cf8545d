"""Servers on the loopback interface, for those who send: HTTP, with TLS or without, and mail."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from asyncio import Server
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from email.message import EmailMessage
    from pathlib import Path

    from aiosmtpd.smtp import Envelope, Session

HOST: Final = "127.0.0.1"
PASSWORD: Final = "s3cret-mail-password"


@cache
def authority() -> trustme.CA:
    """A certificate authority of the tests' own."""
    return trustme.CA()


def ca_file(folder: Path) -> str:
    """The path of a file with the authority's certificate."""
    path = folder / "ca.pem"
    authority().cert_pem.write_to_path(path)
    return str(path)


def server_context(name: str = HOST) -> ssl.SSLContext:
    """What a server of a name needs to speak TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(name).configure_cert(context)
    return context


@dataclass
class Request:
    """A request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Its body as JSON."""
        return json.loads(self.body)


@dataclass
class Answer:
    """What is answered: a status, headers and a body; None for the status is no answer at all."""

    status: int | None = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class HttpServer:
    """Keeps what comes in, and answers as ``respond`` says: with 200, if nothing else is set."""

    port: int = 0
    scheme: str = "http"
    requests: list[Request] = field(default_factory=list)
    respond: Callable[[Request], Answer] = lambda _: Answer()
    connections: int = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{self.scheme}://{HOST}:{self.port}"


def _handler(server: HttpServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Without this each small answer waits for the client's acknowledgement.
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            server.connections += 1

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, self.rfile.read(length))
            server.requests.append(request)
            answer = server.respond(request)
            if answer.status is None:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PATCH = answer  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


class _Listening(ThreadingHTTPServer):
    daemon_threads = True
    # Who breaks a connection off, on purpose, leaves no trace on the tests' output.
    handle_error = lambda *_: None  # noqa: E731 - as short as what it does


@contextmanager
def http_server(*, tls: bool = False) -> Iterator[HttpServer]:
    """Run an HTTP server."""
    shown = HttpServer(scheme="https" if tls else "http")
    with _Listening((HOST, 0), _handler(shown)) as server:
        if tls:
            server.socket = server_context().wrap_socket(server.socket, server_side=True)
        shown.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield shown
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def slow_server(head: bytes = b"") -> Iterator[int]:
    """Run what answers a byte at a time after a head, and never to an end; gives its port."""
    left = threading.Event()
    with socket.create_server((HOST, 0)) as listening:

        def drip() -> None:
            while not left.is_set():
                with suppress(OSError):
                    talk, _ = listening.accept()
                    with talk:
                        talk.sendall(head)
                        while not left.wait(0.1):
                            talk.sendall(b"2")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        left.set()
        # Whoever waits for a connection gets one.
        socket.create_connection(listening.getsockname()).close()
        thread.join()


@dataclass
class MailServer:
    """Keeps the mail that comes in; ``refusals`` has replies for recipients instead of 250."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    logins: int = 0
    encrypted: list[bool] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802 - the library's name
        self,
        server: SMTP,  # noqa: ARG002 - the library's
        session: Session,  # noqa: ARG002 - the library's
        envelope: Envelope,
        address: str,
        options: list[str],  # noqa: ARG002 - the library's
    ) -> str:
        """Take a recipient, or not."""
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802 - the library's
        """Take a mail."""
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(message_from_bytes(content, policy=policy.default))
        self.recipients.append(list(envelope.rcpt_tos))
        assert server.transport is not None
        self.encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        return "250 OK"

    def login(self, *arguments: Any) -> AuthResult:
        """Let in who knows the password."""
        given = arguments[-1]
        assert isinstance(given, LoginPassword)
        self.logins += 1
        return AuthResult(success=given.password == PASSWORD.encode(), handled=False)


class _Controller(Controller):
    def __init__(self, shown: MailServer, tls: str, name: str) -> None:
        context = server_context(name)
        implicit = {"ssl_context": context} if tls == "implicit" else {}
        self._more: dict[str, Any] = {"hostname": "localhost"}
        if tls == "starttls":
            self._more |= {"tls_context": context, "require_starttls": True}
        if tls != "none":
            self._more |= {"authenticator": shown.login, "auth_require_tls": tls == "starttls"}
        super().__init__(shown, hostname=HOST, port=0, **implicit)  # type: ignore[arg-type]

    def factory(self) -> SMTP:
        return SMTP(self.handler, **self._more)

    @property
    def listening_on(self) -> int:
        """The port that it got."""
        assert isinstance(self.server, Server)
        number: int = self.server.sockets[0].getsockname()[1]
        return number

    def _trigger_server(self) -> None:
        """Connect once, for the library waits for that."""
        socket.create_connection((HOST, self.listening_on)).close()


@contextmanager
def mail_server(tls: str = "starttls", name: str = HOST) -> Iterator[MailServer]:
    """Run a mail server whose certificate is for a name."""
    shown = MailServer()
    controller = _Controller(shown, tls, name)
    controller.start()
    try:
        shown.port = controller.listening_on
        yield shown
    finally:
        controller.stop()
