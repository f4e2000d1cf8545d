"""What a mail server cannot do is held against the server, and not against who is written to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from billing_cli.gateway.mail import Mail
from billing_cli.gateway.outcomes import DELIVERED, Kind, Outcome
from billing_cli.gateway.smtp import Server, SmtpSink
from tests.servers import HOST, mail_server

MAIL = Mail(
    sender="billing@example.com",
    sender_name=None,
    reply_to=None,
    recipient="j@example.com",
    recipient_name="Jürgen",
    subject="Übersicht",
    text="Grüße",
    html=None,
    message_id="evt_1.abc@example.com",
    sent_at=0,
)


def send(port: int, *mails: Mail, tls: str = "none", username: str | None = None) -> list[Outcome]:
    sink = SmtpSink(Server(HOST, port, tls, username, "secret", 5, None))
    try:
        return [sink.send(mail) for mail in mails]
    finally:
        sink.close()


@pytest.mark.parametrize("recipient", ["j@example.com", "j@exämple.com"])
@pytest.mark.parametrize(("tls", "username"), [("starttls", None), ("none", "billing")])
def test_a_server_without_encryption_or_login_may_learn_it(
    recipient: str, tls: str, username: str | None
) -> None:
    with mail_server("none") as server:
        (outcome,) = send(
            server.port, replace(MAIL, recipient=recipient), tls=tls, username=username
        )
    assert (outcome.kind, outcome.unreachable) == (Kind.FAILED, True)
    assert outcome.reason is not None
    assert "not supported by server" in outcome.reason


def test_an_address_that_a_server_does_not_take_is_refused_and_a_name_is_not() -> None:
    with mail_server("none") as server:
        first, second = send(server.port, replace(MAIL, recipient="j@exämple.com"), MAIL)
        assert (first.kind, first.unreachable) == (Kind.REFUSED, False)
        assert first.reason == f"{HOST} takes no addresses beyond ASCII"
        assert second == DELIVERED
        assert [str(mail["To"]) for mail in server.mails] == ["Jürgen <j@example.com>"]
