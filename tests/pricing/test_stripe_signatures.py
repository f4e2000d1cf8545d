"""Signatures of events: what Stripe's own library signs is taken, and all else says why not."""

from __future__ import annotations

import hmac
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stripe import SignatureVerificationError, WebhookSignature  # noqa: TID251 - what is compared

from billing_cli.pricing.stripe_signatures import SignatureProblem, verify

BODY = '{"id": "evt_1", "name": "Zoë"}'
SECRET = "whsec_3Fr6Q1"
OTHER = "whsec_other"
NOW = 1_762_799_500


def signed(secret: str = SECRET, second: int = NOW, body: str = BODY) -> str:
    header = WebhookSignature.generate_signature_header(body, secret, timestamp=second)
    assert isinstance(header, str)
    return header


def scheme(name: str, header: str) -> str:
    """The header's signature as one of another scheme."""
    return header.partition(",")[2].replace("v1=", f"{name}=")


@pytest.mark.parametrize(
    ("header", "secrets"),
    [
        (signed(), [SECRET]),
        (signed(), [OTHER, SECRET]),
        (signed(), ["", f" {SECRET}\n"]),
        # While a secret is rotated, Stripe signs with both.
        (f"{signed(OTHER)},{scheme('v1', signed())}", [SECRET]),
        (f"t={NOW},{scheme('v0', signed(OTHER))},{scheme('v1', signed())}", [SECRET]),
        (signed().replace(",", " , "), [SECRET]),
        (f"{signed()},,x,=", [SECRET]),
    ],
)
def test_a_signature_of_any_secret_is_taken(header: str, secrets: list[str]) -> None:
    assert verify(BODY.encode(), header, secrets, NOW) == NOW


@pytest.mark.parametrize(
    ("header", "secrets", "reason"),
    [
        (None, [SECRET], "there is no signature: the header Stripe-Signature is missing"),
        (" ", [SECRET], "there is no signature: the header Stripe-Signature is missing"),
        ("nonsense", [SECRET], "is malformed: expected t=SECONDS,v1=SIGNATURE"),
        (scheme("v1", signed()), [SECRET], "is malformed"),
        (signed().replace("t=", "t=x"), [SECRET], "is malformed"),
        (signed().replace("t=", "t=-"), [SECRET], "is malformed"),
        (signed().replace("t=17", "t=١٧"), [SECRET], "is malformed"),
        (f"t={'9' * 16},v1=00", [SECRET], "is malformed"),
        (f"t={NOW}", [SECRET], "has no signature of the scheme v1"),
        (f"t={NOW},{scheme('v0', signed())}", [SECRET], "has no signature of the scheme v1"),
        (signed(), [OTHER], "does not match: usually the body was decoded and written again"),
        (signed(body=BODY.replace(" ", "")), [SECRET], "or the signing secret is another"),
        (signed().replace(f"t={NOW}", f"t={NOW + 1}"), [SECRET], "does not match"),
        (f"t={NOW},v1=", [SECRET], "does not match"),
        (f"t={NOW},v1=\ud800é", [SECRET], "does not match"),
        # An old signature that is wrong, too, is wrong.
        (signed(OTHER, NOW - 9999), [SECRET], "does not match"),
        (signed(), [], "no signing secret is configured"),
        # Anybody can sign with an empty secret.
        (signed(""), ["", " \n"], "no signing secret is configured"),
        (signed(second=NOW - 301), [SECRET], "has expired: it is 5 minutes old, and 5 minutes"),
        (signed(second=0), [SECRET], "has expired: it is 29,379,991 minutes old"),
        (signed(second=NOW + 301), [SECRET], "is from the future, by 5 minutes"),
    ],
)
def test_another_says_why_not_and_no_secret(
    header: str | None, secrets: list[str], reason: str
) -> None:
    with pytest.raises(SignatureProblem) as error:
        verify(BODY.encode(), header, secrets, NOW)
    said = str(error.value)
    assert reason in said
    assert "\n" not in said
    assert SECRET not in said
    assert OTHER not in said
    assert signed().partition("v1=")[2] not in said


@pytest.mark.parametrize("second", [NOW - 300, NOW, NOW + 300])
def test_a_signature_may_be_as_old_or_as_new_as_is_tolerated(second: int) -> None:
    assert verify(BODY.encode(), signed(second=second), [SECRET], NOW) == second


@pytest.mark.parametrize(
    ("second", "reason"), [(NOW - 1, "1 second old"), (NOW + 1, "by 1 second,")]
)
def test_no_tolerance_is_no_tolerance(second: int, reason: str) -> None:
    assert verify(BODY.encode(), signed(), [SECRET], NOW, tolerance=0) == NOW
    with pytest.raises(SignatureProblem, match=reason):
        verify(BODY.encode(), signed(second=second), [SECRET], NOW, tolerance=0)


def test_bytes_are_checked_as_they_came() -> None:
    body = b"\xff\x00{}"
    signature = hmac.digest(SECRET.encode(), b"%d." % NOW + body, "sha256").hex()
    assert verify(body, f"t={NOW},v1={signature}", [SECRET], NOW) == NOW
    with pytest.raises(SignatureProblem, match="does not match"):
        verify(body + b"\n", f"t={NOW},v1={signature}", [SECRET], NOW)


@example("{}", SECRET, ["t", "v1"])
@given(
    st.text("{}\n é", max_size=5),
    st.sampled_from([SECRET, OTHER]),
    st.lists(st.sampled_from(["t", "v1", "v0", "past", "x"]), max_size=4),
)
def test_stripes_own_library_takes_the_same(body: str, secret: str, parts: list[str]) -> None:
    now = int(time.time())  # noqa: TID251 - what Stripe's library compares with
    stamp, signature = signed(SECRET, now, body).split(",")
    written = {"t": stamp, "v1": signature, "v0": f"v0={signature[3:]}", "x": "v1=00"}
    written["past"] = f"t={now - 1000}"
    header = ",".join(written[part] for part in parts)
    try:
        expected = WebhookSignature.verify_header(body, header, secret, tolerance=300)
    except SignatureVerificationError:
        with pytest.raises(SignatureProblem):
            verify(body.encode(), header, [secret], now)
    else:
        assert expected
        assert verify(body.encode(), header, [secret], now) == now
