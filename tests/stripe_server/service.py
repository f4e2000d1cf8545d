"""From a request on the wire to its answer: keys, contract, idempotency, faults, and the log."""

from __future__ import annotations

import json
import threading
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.stripe_server import contract, faults, shapes, wheel
from tests.stripe_server.errors import StripeError, invalid
from tests.stripe_server.faults import Fault
from tests.stripe_server.keys import Keys
from tests.stripe_server.resources import HANDLERS
from tests.stripe_server.state import Stored
from tests.stripe_server.tunnel import Tunnels
from tests.stripe_server.wire import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.stripe_server.engine import Engine
    from tests.stripe_server.wire import Request

_MAX_KEY: Final = 255
_DAY: Final = 86_400


@dataclass
class Logged:
    """One request that came, and what became of it.

    ``status`` is what was sent, 0 if nothing was; ``fault`` what was injected, as "500 after".
    """

    method: str
    path: str
    params: dict[str, Any]
    form: str
    idempotency_key: str | None
    api_key: str = ""
    version: str | None = None
    request_id: str = ""
    status: int = 0
    replayed: bool = False
    fault: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Service:
    """Answers requests, one after the other as far as the account is concerned."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.keys = Keys()
        self.tunnels = Tunnels("whsec_standin")
        self.lock = threading.RLock()
        self.faults: list[Fault] = []
        self.log: list[Logged] = []
        self.keep_log = True
        self.before: list[Callable[[Logged], None]] = []
        self.after: list[Callable[[Logged], None]] = []
        self.crashes: list[str] = []
        self.asked = 0
        # Requests a second, by the clock on the wall; None: as many as come.
        self.limit: int | None = None
        self._second = (0, 0)

    def handle(self, request: Request) -> Response:
        """Answer a request, or do to it what a fault says."""
        if answer := self.tunnels.answer(request):
            return answer
        form = request.query if request.method != "POST" else request.body.decode()
        if request.method == "POST" and request.query:
            form = f"{form}&{request.query}" if form else request.query
        entry = Logged(
            request.method,
            request.path,
            {},
            form,
            request.headers.get("idempotency-key"),
            version=request.headers.get("stripe-version"),
        )
        with self.lock:
            self.asked += 1
            entry.request_id = f"req_{self.engine.account[-6:]}{self.asked:08d}"
            if self.keep_log:
                self.log.append(entry)
            struck = [fault for fault in self.faults if fault.strikes(str(entry))]
            self.faults = [fault for fault in self.faults if not fault.spent]
        for listener in self.before:
            listener(entry)
        response = self._faulty(request, entry, struck)
        entry.status = 0 if response.drop else response.status
        response.headers.setdefault("Request-Id", entry.request_id)
        for listener in self.after:
            listener(entry)
        return response

    def _faulty(self, request: Request, entry: Logged, struck: list[Fault]) -> Response:
        if self._over_limit():
            answer = Fault("429").answer()
            assert answer
            return answer
        claimed = self._claim(entry, request)
        for fault in struck:
            if fault.when == faults.BEFORE and (answer := self._strike(fault, request, entry)):
                self._unclaim(claimed)
                return answer
        response = self._answered(request, entry, claimed)
        for fault in struck:
            if fault.when == faults.AFTER and (answer := self._strike(fault, request, entry)):
                if fault.kind == "500" and claimed:
                    with self.lock:
                        claimed.result = (500, answer.body)
                return answer
        return response

    def _over_limit(self) -> bool:
        if self.limit is None:
            return False
        with self.lock:
            second, count = int(time.monotonic()), self._second[1]
            count = count + 1 if second == self._second[0] else 1
            self._second = second, count
            return count > self.limit

    @staticmethod
    def _strike(fault: Fault, request: Request, entry: Logged) -> Response | None:
        """What the client gets of a fault; None if all goes on after it."""
        entry.fault = f"{fault.kind} {fault.when}"
        if fault.kind == "slow":
            fault.wait()
            return None
        if fault.kind == "kill":
            fault.kill()
        if fault.kind in ("kill", "timeout"):
            # Nobody is told anything, until the client has gone.
            request.connection.recv(1)
            return Response(drop=True)
        return fault.answer()

    # Idempotency -------------------------------------------------------------------------------

    def _claim(self, entry: Logged, request: Request) -> Stored | None:
        """Note that a key's request is under way; None if it is not the first, or has no key."""
        if entry.idempotency_key is None or request.method != "POST":
            return None
        with self.lock:
            keys = self.engine.state.keys
            name = (request.headers.get("authorization", ""), entry.idempotency_key)
            known = keys.get(name)
            if known and known.at > self.engine.now() - _DAY:
                return None
            made = keys[name] = Stored(
                name, (entry.method, entry.path, entry.form), self.engine.now()
            )
            return made

    def _unclaim(self, claimed: Stored | None) -> None:
        """Forget a key whose request did not begin."""
        with self.lock:
            if claimed is not None and self.engine.state.keys.get(claimed.name) is claimed:
                del self.engine.state.keys[claimed.name]

    def _replayed(self, request: Request, entry: Logged) -> Response:
        """The answer to a key that was used before."""
        name = (request.headers.get("authorization", ""), str(entry.idempotency_key))
        stored = self.engine.state.keys[name]
        if stored.request != (entry.method, entry.path, entry.form):
            raise StripeError(
                400,
                "idempotency_error",
                "Keys for idempotent requests can only be used with the same parameters they were"
                " first used with. Try using a key other than"
                f" '{entry.idempotency_key}' if you meant to execute a different request.",
            )
        if stored.result is None:
            raise StripeError(
                409,
                "idempotency_error",
                "There is currently another in-progress request using this Idempotent Key"
                f" '{entry.idempotency_key}'. Please try again later.",
                code="idempotency_key_in_use",
            )
        entry.replayed = True
        status, body = stored.result
        return Response(status, body, {"Idempotent-Replayed": "true"})

    # Answers -----------------------------------------------------------------------------------

    def _answered(self, request: Request, entry: Logged, claimed: Stored | None) -> Response:
        with self.lock:
            began = False
            try:
                entry.api_key = self.keys.authenticate(request.headers)
                self.keys.authorize(
                    entry.api_key, request.method, request.path, self.engine.account
                )
                _check_key(entry.idempotency_key)
                if entry.idempotency_key and request.method == "POST" and claimed is None:
                    return self._replayed(request, entry)
                understood = self._understood(request, entry)
                began = True
                response = Response(200, self._done(understood, entry))
            except StripeError as error:
                response = _refused(error.status, error.error)
            except contract.Refusal as refusal:
                error_fields = {"type": "invalid_request_error", "message": refusal.message}
                for name in ("param", "code"):
                    if value := getattr(refusal, name):
                        error_fields[name] = value
                response = _refused(refusal.status, error_fields)
            except Exception:  # noqa: BLE001 - whatever is wrong with the stand-in is told
                self.crashes.append(f"{entry}\n{traceback.format_exc()}")
                response = _refused(500, {"type": "api_error", "message": traceback.format_exc()})
            if began and claimed is not None:
                claimed.result = (response.status, response.body)
            else:
                self._unclaim(claimed)
            return response

    def _understood(self, request: Request, entry: Logged) -> contract.Understood:
        pinned = entry.version == wheel.api_version()
        if not pinned and not _is_cli(request):
            raise invalid(
                f"This stand-in speaks {wheel.api_version()}; Stripe-Version is {entry.version}."
            )
        understood = contract.check(entry.method, entry.path, entry.form, strict=pinned)
        entry.params = understood.params
        return understood

    def _done(self, understood: contract.Understood, entry: Logged) -> bytes:
        handler = HANDLERS.get((understood.method, understood.template))
        if handler is None:
            raise StripeError(
                501,
                "api_error",
                f"This stand-in does not model {understood.method} {understood.template}.",
            )
        engine = self.engine
        engine.livemode = "_live_" in entry.api_key[:8]
        engine.request = {"id": entry.request_id, "idempotency_key": entry.idempotency_key}
        try:
            row = handler(engine, understood.params, *understood.ids)
        finally:
            engine.request = {"id": None, "idempotency_key": None}
        shown = engine.render(row, understood.params.get("expand") or ())
        if engine.check_shapes:
            shapes.check(shown)
        return json.dumps(shown).encode()


def _check_key(key: str | None) -> None:
    if key is not None and len(key) > _MAX_KEY:
        raise invalid(f"Idempotency keys can have up to {_MAX_KEY} characters.")


def _is_cli(request: Request) -> bool:
    """Stripe's own command line speaks the version that it was made with."""
    return "stripe-cli" in request.headers.get("user-agent", "").lower()


def _refused(status: int, error: dict[str, Any]) -> Response:
    return Response(status, json.dumps({"error": error}).encode())
