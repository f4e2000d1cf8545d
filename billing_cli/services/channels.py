"""The way to each kind of sink: what is made of an event, and who sends it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Protocol

from billing_cli.errors import BillingError, NotConfiguredError
from billing_cli.gateway import mail as mails
from billing_cli.gateway.apprise_urls import AppriseSink
from billing_cli.gateway.outcomes import failed, skipped
from billing_cli.gateway.programs import CommandSink
from billing_cli.gateway.smtp import Server, SmtpSink
from billing_cli.gateway.streamspace import StreamSpaceSink
from billing_cli.gateway.templates import Rendered, TemplateError, Templates
from billing_cli.gateway.webhook import WebhookSink, read_keys
from billing_cli.pricing.instants import parse_instant
from billing_cli.pricing.notices import SUSPENDED
from billing_cli.services import terms
from billing_cli.services.attachments import attachments
from billing_cli.services.outbox import as_told
from billing_cli.settings import in_config_folder, sink_secret, variable_of
from billing_cli.store.outbox import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable

    from billing_cli.app import App
    from billing_cli.gateway.outcomes import Outcome
    from billing_cli.settings import Sink
    from billing_cli.store.deliveries import Told

_ENGLISH: Final = "en"
# How texts name what is limited.
_LIMITED: Final = {
    "cpu": "processor cores",
    "memory": "memory",
    "storage": "storage",
    "spend": "spending",
}


class Channel(Protocol):
    """Sends events to one sink."""

    def send(self, told: Told, now: int) -> Outcome:
        """Send an event and say what came of it."""

    def close(self) -> None:
        """Let go of what is kept open between events."""


def open_channel(app: App, sink: Sink, warnings: list[str]) -> Channel:
    """Return the way to a sink; nothing is connected yet.

    Raises :class:`NotConfiguredError` where the configuration lacks what the kind needs; what is
    doubtful is added to ``warnings``.
    """
    secret = sink_secret(app.settings, sink, warnings)
    if sink.ca_file is not None:
        sink = sink.model_copy(
            update={"ca_file": str(in_config_folder(app.settings, sink.ca_file))}
        )
    return _OPENERS[sink.kind](app, sink, secret)


def body_of(told: Told) -> bytes:
    """Return an event as others are told of it, as JSON."""
    document = as_told(told.id, told.type, told.occurred_at, told.data)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class _Webhook:
    sink: WebhookSink

    def send(self, told: Told, now: int) -> Outcome:
        return self.sink.send(f"{PREFIX}{told.id}", body_of(told), now)

    def close(self) -> None:
        self.sink.close()


@dataclass(frozen=True, slots=True)
class _Command:
    sink: CommandSink

    def send(self, told: Told, now: int) -> Outcome:  # noqa: ARG002 - a channel's
        variables = {"BILLING_EVENT_ID": f"{PREFIX}{told.id}", "BILLING_EVENT_TYPE": told.type}
        return self.sink.send(body_of(told), variables)

    def close(self) -> None:
        self.sink.close()


@dataclass(frozen=True, slots=True)
class _StreamSpace:
    sink: StreamSpaceSink
    wakes: bool

    def send(self, told: Told, now: int) -> Outcome:
        if told.user_id is None:
            return skipped("the event has no user")
        if told.type == SUSPENDED:
            return self.sink.hibernate(told.user_id, now)
        if self.wakes:
            return self.sink.wake(told.user_id, now)
        return skipped("sessions wake when their user connects")

    def close(self) -> None:
        self.sink.close()


@dataclass(frozen=True, slots=True)
class _Apprise:
    sink: AppriseSink
    templates: Templates

    def send(self, told: Told, now: int) -> Outcome:  # noqa: ARG002 - a channel's
        try:
            rendered = _render(self.templates, told)
        except TemplateError as error:
            return failed(str(error))
        return self.sink.send(mails.one_line(rendered.subject), rendered.text)

    def close(self) -> None:
        self.sink.close()


@dataclass(frozen=True, slots=True)
class _Email:
    app: App
    settings: Sink
    sink: SmtpSink
    templates: Templates

    def send(self, told: Told, now: int) -> Outcome:
        sender, recipient = self.settings.sender or "", self._recipient(told)
        if recipient is None:
            what = "the event has no user" if told.user_id is None else "the user has no address"
            return skipped(what)
        try:
            rendered = _render(self.templates, told)
            documents = attachments(self.app, told)
        except TemplateError as error:
            return failed(str(error))
        except BillingError as error:
            return failed(error.message)
        return self.sink.send(
            mails.Mail(
                sender=sender,
                sender_name=self.settings.from_name,
                reply_to=self.settings.reply_to,
                recipient=recipient,
                recipient_name=told.name if recipient == told.email else None,
                subject=rendered.subject,
                text=rendered.text,
                html=rendered.html,
                message_id=_message_id(told, self.settings.name, sender),
                sent_at=now,
                attachments=documents,
            )
        )

    def close(self) -> None:
        self.sink.close()

    def _recipient(self, told: Told) -> str | None:
        return self.settings.to or told.email or self.settings.fallback_to


def _message_id(told: Told, sink: str, sender: str) -> str:
    """Return the same for the same event and sink, and another for another database's."""
    what = f"{told.id}/{told.type}/{told.user_id}/{told.occurred_at}/{told.recorded_at}/{sink}"
    digest = sha256(what.encode()).hexdigest()[:24]
    return f"{PREFIX}{told.id}.{digest}@{sender.rpartition('@')[2]}"


def _render(templates: Templates, told: Told) -> Rendered:
    values = {
        "event": {"id": f"{PREFIX}{told.id}", "type": told.type},
        "data": json.loads(told.data),
        "user": {
            "id": told.user_id,
            "name": told.name,
            "email": told.email,
            "language": told.language,
        },
        "language": told.language or _ENGLISH,
        "what": _LIMITED,
    }
    return templates.render(told.type, told.language, values)


def _templates(app: App) -> Templates:
    values = app.settings.values
    folder = values.notifications.templates_folder
    with app.unit_of_work() as uow, uow.reading() as tx:
        # The zone in force, as in the documents, and not what the file has come to say since.
        calendar = terms.read(tx, app.settings).history.calendar

    def local(text: object) -> datetime:
        moment, _ = parse_instant(str(text))
        return datetime.fromtimestamp(moment, calendar.zone_at(moment))

    filters: dict[str, Callable[[object], str]] = {
        "date": lambda text: local(text).date().isoformat(),
        "moment": lambda text: f"{local(text):%Y-%m-%d %H:%M %Z}",
    }
    return Templates(None if folder is None else in_config_folder(app.settings, folder), filters)


def _open_email(app: App, sink: Sink, secret: str | None) -> Channel:
    server = Server(
        sink.host or "",
        sink.server_port,
        sink.tls,
        sink.username,
        secret,
        sink.timeout_seconds,
        sink.ca_file,
    )
    if sink.username is not None and secret is None:
        raise _no_secret(sink, "its password")
    return _Email(app, sink, SmtpSink(server), _templates(app))


def _open_webhook(_app: App, sink: Sink, secret: str | None) -> Channel:
    if secret is None:
        raise _no_secret(sink, "its signing secret")
    keys = read_keys(secret)
    return _Webhook(WebhookSink(sink.url or "", keys, sink.timeout_seconds, sink.ca_file))


def _open_command(_app: App, sink: Sink, _secret: str | None) -> Channel:
    return _Command(CommandSink(sink.command or (), sink.timeout_seconds))


def _open_apprise(app: App, sink: Sink, secret: str | None) -> Channel:
    if secret is None:
        raise _no_secret(sink, "its URLs")
    return _Apprise(AppriseSink(secret), _templates(app))


def _open_streamspace(_app: App, sink: Sink, secret: str | None) -> Channel:
    if secret is None:
        raise _no_secret(sink, "its token")
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        raise NotConfiguredError("its token has characters that no token has")
    client = StreamSpaceSink(sink.url or "", secret, sink.timeout_seconds, sink.ca_file)
    return _StreamSpace(client, sink.wake)


def _no_secret(sink: Sink, what: str) -> NotConfiguredError:
    return NotConfiguredError(
        f"{what} is missing", f"set {variable_of(sink.name)}, or secretFile in the config file"
    )


_OPENERS: Final[dict[str, Callable[[App, Sink, str | None], Channel]]] = {
    "email": _open_email,
    "webhook": _open_webhook,
    "command": _open_command,
    "apprise": _open_apprise,
    "streamspace": _open_streamspace,
}
