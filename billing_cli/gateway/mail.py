"""A mail as text, HTML and attachments, put together so that no value can become a header."""

from __future__ import annotations

from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Final

from billing_cli.pricing.excerpts import on_one_line

_LONGEST_LINE: Final = 200


class UnfitAddressError(ValueError):
    """An address cannot be written in a mail; the text says which."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A document that goes with a mail: its name, its media type and its bytes."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """What a mail says and whom it goes to; ``sent_at`` is in epoch seconds.

    ``message_id`` is without its angle brackets, and the same when the mail is sent again.
    """

    sender: str
    sender_name: str | None
    reply_to: str | None
    recipient: str
    recipient_name: str | None
    subject: str
    text: str
    html: str | None
    message_id: str
    sent_at: int
    attachments: tuple[Attachment, ...] = ()

    def message(self) -> EmailMessage:
        """Return the mail as it is sent; :class:`UnfitAddressError` for a recipient that is none.

        Names and subjects may hold anything: what would begin a header of its own is a space.
        """
        message = EmailMessage(policy=SMTP)
        message["From"] = _address(self.sender, self.sender_name)
        message["To"] = _address(self.recipient, self.recipient_name)
        if self.reply_to is not None:
            message["Reply-To"] = _address(self.reply_to, None)
        message["Subject"] = one_line(self.subject)
        message["Date"] = formatdate(self.sent_at)
        message["Message-ID"] = f"<{self.message_id}>"
        # Nobody's holiday reply is wanted.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(_plain(self.text))
        if self.html is not None:
            message.add_alternative(_plain(self.html), subtype="html")
        for attachment in self.attachments:
            main, _, sub = attachment.media_type.partition("/")
            message.add_attachment(
                attachment.content, maintype=main, subtype=sub, filename=one_line(attachment.name)
            )
        return message


def one_line(text: str) -> str:
    """Return a text without line breaks and other control characters, cut to a header's length."""
    return on_one_line(text, _LONGEST_LINE)


def _address(text: str, name: str | None) -> Address:
    """Return exactly one address: one that could be read as several, or as more, is refused."""
    try:
        return Address(display_name=one_line(name or ""), addr_spec=text)
    except (ValueError, IndexError, MessageError) as error:
        shown = one_line(text)
        raise UnfitAddressError(f"{shown!r} is no address that mail can be sent to") from error


def _plain(text: str) -> str:
    """Return a text without null characters and lone surrogates, which no mail can carry."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")
