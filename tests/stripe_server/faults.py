"""What can go wrong between a client and Stripe, and at which request it does."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from tests.stripe_server.wire import Response

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

HTML: Final = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"

# What a fault does; see `Fault`.
KINDS: Final = (
    "500",
    "503",
    "409",
    "429",
    "html",
    "drop",
    "timeout",
    "slow",
    "kill",
)
_ERRORS: Final = {
    "500": ("api_error", "An unknown error occurred"),
    "503": ("api_error", "Stripe is temporarily unavailable."),
    "409": (
        "invalid_request_error",
        "This object is being accessed by another API request or process; try again later.",
        "lock_timeout",
    ),
    "429": (
        "invalid_request_error",
        "Request rate limit exceeded. See https://stripe.com/docs/rate-limits.",
        "rate_limit",
    ),
}
# What is waited for longer than this does not come.
_MOST_SECONDS: Final = 60
BEFORE: Final = "before"
AFTER: Final = "after"


@dataclass
class Fault:
    """Something that goes wrong with the requests that match.

    ``match`` is a pattern of "POST /v1/invoices/*/pay"; ``at`` counts the matching requests since
    the fault was set, from 1; then it happens ``times`` times in a row (0: always).
    ``when`` is before Stripe does what was asked, or after: then it is done, and the client does
    not learn of it. A "500" after the effect is also what the idempotency key will replay, as
    Stripe does; all other faults leave the real answer for it.

    ==========  ====================================================================
    ``500``     an ``api_error``
    ``503``     the same, "temporarily unavailable"
    ``409``     another request holds a lock on the object
    ``429``     too many requests; ``retry_after`` sets the header
    ``html``    status 502 and a page of HTML
    ``drop``    the connection closes without an answer
    ``timeout`` no answer, until the client gives up
    ``slow``    ``seconds`` pass, or the event ``until`` is set, then all is well
    ``kill``    the process ``pid`` gets SIGKILL, and no answer is sent
    ==========  ====================================================================
    """

    kind: str
    when: str = BEFORE
    match: str = "*"
    at: int = 1
    times: int = 1
    retry_after: int | None = None
    seconds: float = 0.0
    until: threading.Event | None = None
    pid: int | Callable[[], int] | None = None
    seen: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.when not in (BEFORE, AFTER):
            raise ValueError(f"no fault {self.kind!r} {self.when!r}; there are {KINDS}")

    def strikes(self, request: str) -> bool:
        """Count a request, and say whether this fault happens to it."""
        if not fnmatchcase(request, self.match):
            return False
        self.seen += 1
        return self.seen >= self.at and (not self.times or self.seen < self.at + self.times)

    @property
    def spent(self) -> bool:
        """Whether it will never happen again."""
        return bool(self.times) and self.seen >= self.at + self.times - 1

    def wait(self) -> None:
        """Let the client wait."""
        if self.until:
            self.until.wait(_MOST_SECONDS)
        else:
            time.sleep(self.seconds)

    def kill(self) -> None:
        """End the client's process, which cannot do anything about it."""
        pid = self.pid() if callable(self.pid) else self.pid
        if pid is None:
            raise ValueError("a fault that kills needs a pid")
        os.kill(pid, signal.SIGKILL)

    def answer(self) -> Response | None:
        """What the client gets instead of Stripe's answer; None for the kinds that send nothing."""
        if self.kind == "html":
            return Response(502, HTML, {"Content-Type": "text/html"})
        if self.kind == "drop":
            return Response(drop=True)
        if self.kind not in _ERRORS:
            return None
        response = _error(int(self.kind), *_ERRORS[self.kind])
        if self.kind == "429" and self.retry_after is not None:
            response.headers["Retry-After"] = str(self.retry_after)
        return response


def _error(status: int, kind: str, message: str, code: str = "") -> Response:
    error = {"type": kind, "message": message, **({"code": code} if code else {})}
    return Response(status, json.dumps({"error": error}).encode())
