"""Mail is put together so that whatever names hold, it is one mail to one address."""

from __future__ import annotations

from email import message_from_bytes, policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_cli.gateway.mail import Attachment, Mail, UnfitAddressError, one_line

ANY_TEXT = st.text(st.characters(exclude_categories=[]))


def mail(recipient: str, name: str = "", subject: str = "", text: str = "") -> Mail:
    document = Attachment(name, "application/pdf", b"%PDF")
    return Mail(
        sender="billing@example.com",
        sender_name=None,
        reply_to=None,
        recipient=recipient,
        recipient_name=name,
        subject=subject,
        text=text,
        html=f"<p>{text}</p>",
        message_id="evt_1.abc@example.com",
        sent_at=0,
        attachments=(document,),
    )


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT)
@settings(max_examples=30)
def test_nothing_becomes_a_header(name: str, subject: str, text: str) -> None:
    content = mail("ann@example.com", name, subject, text).message().as_bytes()
    back = message_from_bytes(content, policy=policy.default)
    assert {key.lower() for key in back} == {
        "from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version",
        "content-type",
    }  # fmt: skip
    assert [one.addr_spec for one in back["To"].addresses] == ["ann@example.com"]
    assert all(letter.isprintable() for letter in back["Subject"])


@given(st.from_regex(r"[^@\s]+@[^@\s]+", fullmatch=True))
def test_an_address_is_one_or_none(address: str) -> None:
    try:
        message = mail(address).message()
    except UnfitAddressError:
        return
    assert len(message["To"].addresses) == 1


@pytest.mark.parametrize(
    "address",
    ["a@b,c@d", "a@b\nBcc: c@d", "a@", "@b", "a b@c", "<a@b>", "a@b;c@d", "", "undisclosed:;"],
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(UnfitAddressError):
        mail(address).message()


def test_one_line() -> None:
    assert one_line(" a\x1b[31m\r\n\u202eb\0\u2028c ") == "a [31m b c"
    assert len(one_line("x" * 500)) == 200
