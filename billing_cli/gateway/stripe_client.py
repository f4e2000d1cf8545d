"""One account of Stripe, through the official library: reading, and writing with a key.

Every request carries the library's pinned API version. The library retries nothing: what is worth
another try, and when, is decided here, the same for all that can happen on the way.

Importing this module imports ``stripe``: only what speaks to Stripe does.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import requests
import stripe

from billing_cli.errors import NotConfiguredError, UnavailableError
from billing_cli.gateway.stripe_calls import READS, WRITES
from billing_cli.gateway.stripe_errors import StripeRefusalError, StripeSilenceError
from billing_cli.pricing.stripe_events import scrub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from stripe import RequestOptions

    Json = dict[str, Any]

API_VERSION: Final = stripe.api_version
# Seconds before another try. With the same key it cannot do a thing twice.
PAUSES: Final[Sequence[float]] = (0.5, 1.0, 2.0, 4.0)
_LONGEST_PAUSE: Final = 60.0
_PAGE: Final = 100
_TOO_MANY, _CONFLICT, _SERVER_ERROR = 429, 409, 500
_TELLTALE = "Idempotent-Replayed"


class StripeGateway:
    """An account, by its secret key.

    ``rate`` is how many requests are sent in a second at the most, 0 for as many as can be;
    ``monotonic`` gives growing seconds.
    """

    def __init__(
        self,
        key: str,
        *,
        base: str | None,
        rate: int,
        timeout: int,
        monotonic: Callable[[], float],
    ) -> None:
        """Prepare a client; nothing is connected before it is used."""
        stripe.enable_telemetry = False
        # What the library would log are requests with all that is in them.
        stripe.log = None
        self._client = stripe.StripeClient(
            key,
            max_network_retries=0,
            http_client=_http_client(base, timeout),
            base_addresses=(
                {"api": base, "files": base, "connect": base, "meter_events": base} if base else {}
            ),
        )
        self._pace = _Pace(rate, monotonic)
        self.monotonic = monotonic
        self.is_live = key.startswith(("sk_live_", "rk_live_"))
        self.is_restricted = key.startswith("rk_")

    def write(
        self, operation: str, object_id: str, parameters: Mapping[str, Any], idempotency_key: str
    ) -> Json:
        """Have something done, and return the object that it left.

        ``operation`` is one of :data:`~billing_cli.gateway.stripe_calls.WRITES`, ``object_id`` what
        it is done to, empty for something new. Raises :class:`StripeRefusalError` where Stripe
        says no, and :class:`StripeSilenceError` where nobody knows whether it is done.
        """
        options: RequestOptions = {"idempotency_key": idempotency_key}
        call = WRITES[operation]
        return self._ask(lambda: call(self._client.v1, object_id, dict(parameters), options))

    def read(self, what: str, object_id: str = "", **parameters: object) -> Json:
        """Return an object as it is now; ``what`` is one of the names in :data:`READS`."""
        call = READS[what]
        return self._ask(lambda: call(self._client.v1, object_id, parameters))

    def pages(self, what: str, object_id: str = "", **parameters: object) -> Iterator[list[Json]]:
        """Yield the pages of a list, newest first."""
        asked = {"limit": _PAGE, **parameters}
        while True:
            page = self.read(what, object_id, **asked)
            found = page["data"]
            if found:
                yield found
            if not found or not page.get("has_more"):
                return
            asked["starting_after"] = found[-1]["id"]

    def all(self, what: str, object_id: str = "", **parameters: object) -> Iterator[Json]:
        """Yield all objects of a list, newest first."""
        for page in self.pages(what, object_id, **parameters):
            yield from page

    def _ask(self, call: Callable[[], Any]) -> Json:
        for pause in (*PAUSES, None):
            self._pace.wait()
            try:
                answer: Json = call().last_response.data
            except stripe.StripeError as error:
                if pause is None or not _is_worth_another_try(error):
                    raise _translated(error) from None
                time.sleep(_pause_of(error, pause))
            else:
                return answer
        raise AssertionError


def _http_client(base: str | None, timeout: int) -> stripe.RequestsClient:
    """Return what sends requests: through a proxy where the environment names one for the host.

    The environment is asked once and not at each request. Nothing else is taken from it: what a
    .netrc says of the host would be sent in the place of the key.
    """
    session = requests.Session()
    session.trust_env = False
    address = urlsplit(base or stripe.DEFAULT_API_BASE)
    proxy = getproxies().get(address.scheme)
    if proxy is not None and proxy_bypass(address.hostname or ""):
        proxy = None
    return stripe.RequestsClient(timeout=timeout, session=session, proxy=proxy)


class _Pace:
    """Lets requests pass at most so many times a second."""

    def __init__(self, rate: int, monotonic: Callable[[], float]) -> None:
        self._gap = 1 / rate if rate else 0.0
        self._monotonic = monotonic
        self._next = 0.0

    def wait(self) -> None:
        if not self._gap:
            return
        now = self._monotonic()
        if self._next > now:
            time.sleep(self._next - now)
        self._next = max(now, self._next) + self._gap


def _is_worth_another_try(error: stripe.StripeError) -> bool:
    if (error.headers or {}).get(_TELLTALE) == "true":
        # What is stored under the key: it will never be another answer.
        return False
    if isinstance(error, stripe.APIConnectionError):
        return True
    status = error.http_status or 0
    return status in {_TOO_MANY, _CONFLICT} or status >= _SERVER_ERROR


def _pause_of(error: stripe.StripeError, pause: float) -> float:
    """Return how long to wait: what Stripe asks for, within reason."""
    asked = (error.headers or {}).get("Retry-After", "")
    return min(max(float(asked), pause), _LONGEST_PAUSE) if asked.isdigit() else pause


def _translated(error: stripe.StripeError) -> Exception:
    text = scrub(" ".join(str(error.user_message or "no reason given").split()))
    if isinstance(error, stripe.AuthenticationError):
        return NotConfiguredError(
            f"Stripe does not accept the key: {text}",
            "set STRIPE_SECRET_KEY to a key of the account; billing stripe status shows its kind",
        )
    silence = _silence(error, text)
    if silence is not None:
        return silence
    status, code = error.http_status or 0, error.code or ""
    if isinstance(error, stripe.CardError):
        code = getattr(error.error, "decline_code", None) or code
    if isinstance(error, stripe.APIError) and not isinstance(error.json_body, dict):
        return UnavailableError(
            f"what answered is not Stripe: status {status}",
            "look at stripeApiBase, and at a proxy between here and Stripe",
        )
    return StripeRefusalError(text, code, status)


def _silence(error: stripe.StripeError, text: str) -> StripeSilenceError | None:
    """Return what stands for no answer that tells, None for one that does."""
    status = error.http_status or 0
    if isinstance(error, stripe.APIConnectionError):
        return StripeSilenceError("Stripe cannot be reached")
    if isinstance(error, stripe.IdempotencyError):
        return StripeSilenceError(text, is_stored=True)
    if status in {_TOO_MANY, _CONFLICT}:
        return StripeSilenceError(f"Stripe is busy: {text}")
    if status >= _SERVER_ERROR or not status:
        stored = (error.headers or {}).get(_TELLTALE) == "true"
        return StripeSilenceError(f"Stripe answered {status or 'nothing'}", is_stored=stored)
    return None
