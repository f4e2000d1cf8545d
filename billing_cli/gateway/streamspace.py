"""Stopping and waking a user's sessions through StreamSpace's own API.

``GET /api/v1/sessions?user=USER`` answers with ``{"sessions": [{"name", "user", "state", …}]}``;
``PATCH /api/v1/sessions/NAME`` with ``{"state": "hibernated"}`` or ``{"state": "running"}`` asks
for another state, and is answered with 202. Both take a bearer token of an administrator.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from billing_cli.gateway.http_client import HttpClient, Response, UnreachableError, pause_of
from billing_cli.gateway.outcomes import DELIVERED, Outcome, failed, unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

_SESSIONS: Final = "/api/v1/sessions"
# What uses processors and memory, or is about to.
_AWAKE: Final = frozenset({"pending", "running", "waking"})
_ASLEEP: Final = frozenset({"hibernated"})
_MISSING: Final = 404


class StreamSpaceSink:
    """Asks StreamSpace to hibernate a user's sessions, or to wake them."""

    def __init__(self, url: str, token: str, timeout: int, ca_file: str | None) -> None:
        """Keep where StreamSpace is; nothing is connected yet."""
        self._client = HttpClient(url, timeout, ca_file)
        self._headers = {"Authorization": f"Bearer {token}"}

    def hibernate(self, user_id: str, now: int) -> Outcome:
        """Ask for every session of a user that runs, or is about to, to be hibernated."""
        return self._move(user_id, _AWAKE, "hibernated", now)

    def wake(self, user_id: str, now: int) -> Outcome:
        """Ask for every hibernated session of a user to run."""
        return self._move(user_id, _ASLEEP, "running", now)

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()

    def _move(self, user_id: str, states: frozenset[str], state: str, now: int) -> Outcome:
        problem: Outcome | None = None
        try:
            answer = self._request("GET", f"?user={quote(user_id, safe='')}")
            if answer.status != 200:  # noqa: PLR2004 - HTTP's OK
                return self._refusal(answer, "the list of sessions", now)
            names = list(_names(answer.body, user_id, states))
            body = json.dumps({"state": state}).encode()
            for name in names:
                answer = self._request("PATCH", f"/{quote(name, safe='')}", body)
                if not 200 <= answer.status < 300 and answer.status != _MISSING:  # noqa: PLR2004 - HTTP's success
                    # The others are asked for all the same: each that stops costs less.
                    problem = self._refusal(answer, f"session {name}", now)
        except UnreachableError as error:
            return unreachable(str(error))
        except ValueError as error:
            return failed(f"{self._client.server}: {error}")
        return problem or DELIVERED

    def _request(self, method: str, rest: str, body: bytes | None = None) -> Response:
        headers = self._headers
        if body is not None:
            headers = {**headers, "Content-Type": "application/json"}
        return self._client.request(method, f"{self._client.path}{_SESSIONS}{rest}", headers, body)

    def _refusal(self, answer: Response, what: str, now: int) -> Outcome:
        said = f"{self._client.server} answers {answer.status} for {what}"
        return failed(said, pause_of(answer.retry_after, now))


def _names(body: bytes, user_id: str, states: frozenset[str]) -> Iterator[str]:
    """Yield the names of a user's sessions in some states; ValueError for another answer.

    Those of others are passed over: a server that does not know the filter must not cost them
    their sessions.
    """
    try:
        document: Any = json.loads(body)
    except ValueError:
        raise ValueError("the list of sessions is not JSON") from None
    sessions = document.get("sessions") if isinstance(document, dict) else None
    if not isinstance(sessions, list) or not all(isinstance(one, dict) for one in sessions):
        raise ValueError("the answer has no list of sessions")
    for session in sessions:
        name = session.get("name") or session.get("id")
        if session.get("user") == user_id and session.get("state") in states:
            if not isinstance(name, str) or not name:
                raise ValueError("a session in the list has no name")
            yield name
