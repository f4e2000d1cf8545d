"""What Stripe answers when it cannot do what it was asked."""

from __future__ import annotations

from typing import Any


class StripeError(Exception):
    """An answer of Stripe's that is an error; ``extra`` are further fields of its ``error``."""

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        code: str = "",
        param: str = "",
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.error: dict[str, Any] = {"type": kind, "message": message}
        if code:
            self.error["code"] = code
            self.error["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
        if param:
            self.error["param"] = param
        self.error.update(extra)


def invalid(message: str, *, param: str = "", code: str = "") -> StripeError:
    """A request that Stripe understands and refuses: 400."""
    return StripeError(400, "invalid_request_error", message, code=code, param=param)


def missing(what: str, key: str, *, param: str = "id") -> StripeError:
    """There is no such object: 404, or 400 where a parameter names it."""
    return StripeError(
        404 if param == "id" else 400,
        "invalid_request_error",
        f"No such {what}: '{key}'",
        code="resource_missing",
        param=param,
    )


DECLINES = {
    "generic_decline": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "lost_card": "Your card was declined.",
    "stolen_card": "Your card was declined.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "authentication_required": (
        "Your card was declined. This transaction requires authentication."
    ),
}
# Where the code is more than that the card was declined.
_OWN_CODE = ("expired_card", "incorrect_cvc", "processing_error", "authentication_required")


def payment_error(decline_code: str) -> dict[str, Any]:
    """The fields of a card's refusal, as an error and a payment intent say them."""
    code = decline_code if decline_code in _OWN_CODE else "card_declined"
    return {
        "type": "card_error",
        "code": code,
        "decline_code": decline_code,
        "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}",
        "message": DECLINES.get(decline_code, "Your card was declined."),
    }


def declined(decline_code: str, **extra: Any) -> StripeError:
    """A card that was declined: 402."""
    error = payment_error(decline_code)
    made = StripeError(402, "card_error", error["message"])
    made.error = {**error, **extra}
    return made
