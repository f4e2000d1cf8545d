"""Handing mail to a server by SMTP: with STARTTLS or TLS from the start, certificates checked."""

from __future__ import annotations

import smtplib
from typing import TYPE_CHECKING, NamedTuple

from billing_cli.gateway.deadlines import deadline
from billing_cli.gateway.http_client import tls_context, why
from billing_cli.gateway.mail import UnfitAddressError
from billing_cli.gateway.outcomes import (
    DELIVERED,
    Outcome,
    failed,
    refused,
    shown,
    skipped,
    unreachable,
)

if TYPE_CHECKING:
    import socket
    import ssl
    from email.message import EmailMessage

    from billing_cli.gateway.mail import Mail

# Of SMTP's replies, those of the five hundreds will be the same next time.
_PERMANENT = range(500, 600)


class Server(NamedTuple):
    """A mail server: ``tls`` is ``starttls``, ``implicit`` or ``none``, ``timeout`` in seconds."""

    host: str
    port: int
    tls: str
    username: str | None
    password: str | None
    timeout: int
    ca_file: str | None


class _Plain(smtplib.SMTP):
    """A connection that begins as plain text."""

    def __init__(self, sink: SmtpSink, server: Server) -> None:
        sink.adopt(self)
        super().__init__(server.host, server.port, timeout=server.timeout)


class _Encrypted(smtplib.SMTP_SSL):
    """A connection that is encrypted from the start."""

    def __init__(self, sink: SmtpSink, server: Server, context: ssl.SSLContext) -> None:
        sink.adopt(self)
        super().__init__(server.host, server.port, timeout=server.timeout, context=context)


class SmtpSink:
    """Sends mail through one server, over one connection while that lasts."""

    def __init__(self, server: Server) -> None:
        """Keep which server; nothing is connected yet."""
        self._server = server
        self._context = None if server.tls == "none" else tls_context(server.ca_file)
        self._connection: smtplib.SMTP | None = None

    def send(self, mail: Mail) -> Outcome:
        """Send a mail and say what came of it."""
        try:
            message = mail.message()
        except UnfitAddressError as error:
            return skipped(str(error))
        fresh = self._connection is None
        outcome = self._try(message)
        if outcome.unreachable and not fresh:
            # A server ends a connection that was not used for a while, and says so too late.
            outcome = self._try(message)
        return outcome

    def close(self) -> None:
        """Say goodbye to the server."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.quit()
            except (OSError, smtplib.SMTPException):
                connection.close()

    def _try(self, message: EmailMessage) -> Outcome:
        with deadline(self._server.timeout, self._socket) as limit:
            try:
                connection = self._connect()
                if not _takes(connection, message):
                    return refused(f"{self._server.host} takes no addresses beyond ASCII")
                connection.send_message(message)
            except OSError as error:  # as all of the library's errors are
                return self._failure(TimeoutError() if limit.passed else error)
            except UnicodeEncodeError:
                # The library writes names and passwords in ASCII, and addresses where it can.
                self._break()
                return unreachable("its username and password must be plain ASCII")
        return DELIVERED

    def _failure(self, error: OSError) -> Outcome:
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            self._reset()
            return self._reply(*next(iter(error.recipients.values())))
        if isinstance(error, smtplib.SMTPDataError):
            self._reset()
            return self._reply(error.smtp_code, error.smtp_error)
        self._break()
        return unreachable(self._reason(error))

    def _reason(self, error: OSError) -> str:
        """Say why the server cannot be used at all."""
        host = self._server.host
        if isinstance(error, smtplib.SMTPAuthenticationError):
            return f"{host} refuses the login ({error.smtp_code})"
        if isinstance(error, smtplib.SMTPResponseException):
            return self._said(error.smtp_code, error.smtp_error)
        if isinstance(error, smtplib.SMTPNotSupportedError):
            return f"{host}: {error}"
        if isinstance(error, smtplib.SMTPException):
            return f"{host}: the connection was closed"
        return f"{host}: {why(error, self._server.timeout)}"

    def _connect(self) -> smtplib.SMTP:
        if self._connection is not None:
            return self._connection
        server = self._server
        connection = (
            _Encrypted(self, server, self._context)
            if self._context is not None and server.tls == "implicit"
            else _Plain(self, server)
        )
        if server.tls == "starttls":
            connection.starttls(context=self._context)
        if server.username is not None:
            connection.login(server.username, server.password or "")
        connection.ehlo_or_helo_if_needed()
        return connection

    def adopt(self, connection: smtplib.SMTP) -> None:
        """Know a connection from its first moment on: the time runs while it is made, too."""
        self._connection = connection

    def _socket(self) -> socket.socket | None:
        return None if self._connection is None else self._connection.sock

    def _reset(self) -> None:
        """Be ready for the next mail after one that was refused."""
        try:
            if self._connection is not None:
                self._connection.rset()
        except (OSError, smtplib.SMTPException):
            self._break()

    def _break(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _reply(self, code: int, said: bytes | str) -> Outcome:
        text = self._said(code, said)
        return refused(text) if code in _PERMANENT else failed(text)

    def _said(self, code: int, said: bytes | str) -> str:
        text = said.decode(errors="replace") if isinstance(said, bytes) else said
        server = self._server
        return shown(f"{server.host} answers {code} {text}".strip(), server.password)


def _takes(connection: smtplib.SMTP, message: EmailMessage) -> bool:
    """Tell whether a server takes a mail's address; any does of a name, which is encoded."""
    address: str = message["To"].addresses[0].addr_spec
    return address.isascii() or connection.has_extn("smtputf8")
