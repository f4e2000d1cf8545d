"""The part of the config file that says who is told of events, and how."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StrictBool

from billing_cli.pricing.excerpts import quoted
from billing_cli.pricing.notices import RESUMED, SUSPENDED, types_of, types_of_all
from billing_cli.pricing.profiles import hides, read_field
from billing_cli.settings.part import CamelPart
from billing_cli.settings.values import FilePath, Identifier, Name, refuse

SinkKind = Literal["email", "webhook", "command", "apprise", "streamspace"]
Tls = Literal["starttls", "implicit", "none"]

_ALL: Final = ("*",)
_TO_USERS: Final = (
    "billing.invoice.created",
    "billing.invoice.overdue",
    "billing.payment.*",
    "billing.credit_note.created",
    "billing.quota.*",
    "billing.account.*",
)
_USUAL: Final[dict[str, tuple[str, ...]]] = {
    "email": _TO_USERS,
    "streamspace": (SUSPENDED, RESUMED),
}
_PORTS: Final = {"starttls": 587, "implicit": 465, "none": 25}


def _check_pattern(text: str) -> str:
    if not types_of(text):
        refuse(f"must be a type of event, or several such as billing.invoice.*, not {quoted(text)}")
    return text


def _check_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        refuse("must be an http:// or https:// URL")
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_fits:
        refuse("must be an http:// or https:// URL")
    if not text.isascii() or not text.isprintable() or " " in text:
        refuse("must be a URL of plain ASCII, with everything else percent-encoded")
    if parts.username is not None or parts.password is not None:
        refuse("must not hold a name or a password: secrets belong in secretFile")
    return text


def _check_address(text: str) -> str:
    try:
        address = read_field("email", text)
    except ValueError:
        address = None
    if address is None or not text.isascii() or any(mark in text for mark in ',;:<>()[]"\\'):
        refuse(f"must be an e-mail address such as billing@example.com, not {quoted(text)}")
    return address


def _check_host(text: str) -> str:
    if not text or not text.isascii() or not text.isprintable() or " " in text or "/" in text:
        refuse(f"must be the name or address of a server, not {quoted(text)}")
    return text


def _check_command(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words or not words[0].strip():
        refuse('must be a program and its arguments, such as ["/usr/local/bin/tell", "--all"]')
    if any("\0" in word for word in words):
        refuse("must not hold null characters")
    return words


def _check_username(text: str) -> str:
    if not text or hides(text):
        refuse("must be a name without control characters")
    return text


Pattern = Annotated[str, Field(strict=True), AfterValidator(_check_pattern)]
WebUrl = Annotated[str, Field(strict=True), AfterValidator(_check_url)]
EmailAddress = Annotated[str, Field(strict=True), AfterValidator(_check_address)]
Host = Annotated[str, Field(strict=True), AfterValidator(_check_host)]
Word = Annotated[str, Field(strict=True)]
Command = Annotated[tuple[Word, ...], AfterValidator(_check_command)]
Username = Annotated[str, Field(strict=True), AfterValidator(_check_username)]


class Sink(CamelPart):
    """Somebody who is told of events. Which keys it may have depends on its kind."""

    name: Identifier = Field(description="How commands name the sink.", examples=["mail"])
    kind: SinkKind = Field(description="How it is told.", examples=["email", "webhook"])
    events: tuple[Pattern, ...] | None = Field(
        default=None,
        description="The types of event it is told of; null is what is usual for its kind.",
        examples=[["billing.invoice.*", "billing.account.suspended"]],
    )
    timeout_seconds: int = Field(
        default=20,
        strict=True,
        ge=1,
        le=300,
        description="Seconds that one attempt may take.",
        examples=[30],
    )
    secret_file: FilePath | None = Field(
        default=None,
        description="A file that holds the sink's secret and nothing else: a mail server's"
        " password, a webhook's signing secret, a token, or the URLs of apprise.",
        examples=["/run/secrets/billing_mail_password"],
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="A file of certificates to trust instead of the system's.",
        examples=["/etc/ssl/our-ca.pem"],
    )
    url: WebUrl | None = Field(
        default=None,
        description="Where a webhook is posted to, or where StreamSpace is.",
        examples=["https://example.com/hooks/billing"],
    )
    command: Command | None = Field(
        default=None,
        description="The program to be run and its arguments, without a shell.",
        examples=[["/usr/local/bin/billing-event"]],
    )
    host: Host | None = Field(
        default=None, description="The mail server.", examples=["smtp.example.com"]
    )
    port: Annotated[int, Field(strict=True, ge=1, le=65535)] | None = Field(
        default=None,
        description="The mail server's port; null is 587, with implicit TLS 465, without 25.",
        examples=[2525],
    )
    tls: Tls = Field(
        default="starttls",
        description="How the connection to the mail server is encrypted.",
        examples=["implicit"],
    )
    username: Username | None = Field(
        default=None,
        description="The name to log in to the mail server with; null is without a login.",
        examples=["billing"],
    )
    sender: EmailAddress | None = Field(
        default=None,
        alias="from",
        title="from",
        description="The address that mail is from.",
        examples=["billing@example.com"],
    )
    from_name: Name | None = Field(
        default=None, description="The name that mail is from.", examples=["Example Billing"]
    )
    reply_to: EmailAddress | None = Field(
        default=None,
        description="The address that answers go to.",
        examples=["accounts@example.com"],
    )
    to: EmailAddress | None = Field(
        default=None,
        description="The address all mail goes to; null is the user's own.",
        examples=["operators@example.com"],
    )
    fallback_to: EmailAddress | None = Field(
        default=None,
        description="The address for mail to users who have none; null is to send them none.",
        examples=["operators@example.com"],
    )
    wake: StrictBool = Field(
        default=False,
        description="Whether a user's hibernated sessions are woken when a suspension ends.",
        examples=[True],
    )

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns of the events it is told of, with the default worked out."""
        return _USUAL.get(self.kind, _ALL) if self.events is None else self.events

    @property
    def types(self) -> tuple[str, ...]:
        """The types of event it is told of."""
        return types_of_all(self.patterns)

    @property
    def server_port(self) -> int:
        """The mail server's port, with the default worked out."""
        return _PORTS[self.tls] if self.port is None else self.port


class Notifications(CamelPart):
    """Who is told of events, and how often that is tried."""

    sinks: tuple[Sink, ...] = Field(default=(), description="Those who are told.")
    max_attempts: int = Field(
        default=10,
        strict=True,
        ge=1,
        le=100,
        description="How often an event is tried before it is given up as dead.",
        examples=[5],
    )
    retry_seconds: int = Field(
        default=60,
        strict=True,
        ge=1,
        le=86_400,
        description="Seconds after which a first failed attempt is repeated; each later wait is"
        " three times as long, up to a day.",
        examples=[300],
    )
    templates_folder: FilePath | None = Field(
        default=None,
        description="A folder whose templates take the place of the program's own.",
        examples=["/etc/billing/templates"],
    )
