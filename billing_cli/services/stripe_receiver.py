"""What Stripe delivers: each event is kept first, and worked off after that.

Whoever delivers is answered as soon as the event is kept. Working it off may fail, and is tried
again by whatever works off events next: another delivery, or a sync.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from billing_cli.errors import (
    BillingError,
    InvalidDataError,
    NotConfiguredError,
    NotInstalledError,
    UnavailableError,
    UsageError,
)
from billing_cli.services import stripe_events, stripe_inbox
from billing_cli.services.stripe_access import LIVE, TEST, opened, require_signing_secret
from billing_cli.store import stripe_events as events
from billing_cli.store import stripe_state as state
from billing_cli.store.stripe_events import FAILED, PENDING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from billing_cli.app import App
    from billing_cli.gateway.stripe_receiver import Reply
    from billing_cli.services.stripe_access import Confirm

    Say = Callable[[str], None]

STATES = events.STATES
LARGEST_BODY = stripe_events.LARGEST_BODY
"""How many bytes an event has at the most."""

# After a failure that is not an event's, such as Stripe not answering, it is tried again so late.
_SECONDS_BEFORE_ANOTHER_TRY = 60
_SECONDS_TO_STOP = 30
_KEPT, _REFUSED, _BROKEN, _UNAVAILABLE = 200, 400, 500, 503


class Delivered(NamedTuple):
    """An event that was kept: as it is shown, why it waits, and what went wrong with it."""

    event: dict[str, object]
    waits: str | None = None
    problem: str | None = None


class Retried(NamedTuple):
    """Events that were to be tried again, as they are now, and why they wait, if they do."""

    events: list[dict[str, object]]
    waits: str | None = None

    @property
    def failed(self) -> int:
        """How many have failed again."""
        return sum(one["state"] == FAILED for one in self.events)


class Place(NamedTuple):
    """Where a receiver listens."""

    host: str
    port: int
    path: str


def require_on(app: App) -> None:
    """Raise :class:`NotConfiguredError` where Stripe is not switched on."""
    if not app.settings.values.stripe_enabled:
        raise NotConfiguredError(
            "Stripe is not switched on", 'set "stripeEnabled": true in the config file'
        )


def deliver(
    app: App, body: bytes, signature: str | None, confirm: Confirm, *, store_only: bool
) -> Delivered:
    """Keep one event, and work off what waits, this one among it, if there is a key.

    Raises :class:`InvalidDataError` for what is no event with a signature that holds. What goes
    wrong once it is kept is no error but a problem of it.
    """
    require_on(app)
    kept = stripe_events.receive(app, body, signature)
    if kept["state"] not in {PENDING, FAILED}:
        return Delivered(kept)
    if store_only:
        return Delivered(kept, "it is worked off by the next sync")
    waits = without_key(app)
    if waits is not None:
        return Delivered(kept, waits)
    try:
        with opened(app, confirm) as account:
            stripe_inbox.work(account)
    except BillingError as error:
        return Delivered(kept, problem=error.message)
    found = {**stripe_events.show(app, str(kept["id"])), "is_new": kept["is_new"]}
    del found["payload"]
    return Delivered(found, problem=str(found["reason"]) if found["state"] == FAILED else None)


def retry(app: App, ids: Sequence[str], confirm: Confirm) -> Retried:
    """Have failed events wait again, all or those named, and work them off if there is a key.

    Raises :class:`~billing_cli.errors.UnavailableError` when Stripe does not answer.
    """
    require_on(app)
    with app.unit_of_work() as uow:
        with uow.reading() as tx:
            chosen = ids or [row.id for row in events.listed(tx, FAILED, None)]
        waits = None
        if stripe_events.retry(uow, chosen):
            waits = without_key(app)
            if waits is None:
                with opened(app, confirm) as account:
                    stripe_inbox.work(account)
        with uow.reading() as tx:
            rows = [events.find(tx, one) for one in chosen]
        found = [stripe_events.row_of(row) for row in rows if row is not None]
    return Retried(found, waits)


def without_key(app: App) -> str | None:
    """Return why nothing can be worked off here, None where there is what it takes."""
    try:
        _ = app.stripe
    except NotConfiguredError as error:
        return f"{error.message}: it is worked off by the next sync"
    return None


def listen(app: App, place: Place, say: Say, confirm: Confirm) -> None:
    """Receive events until SIGTERM or SIGINT comes, and work them off in the background.

    ``say`` is told what happens, a line at a time, from several threads. Raises
    :class:`NotConfiguredError` without a signing secret or without what it takes to listen, and
    :class:`~billing_cli.errors.UnavailableError` where the port is taken.
    """
    _check(app, place)
    try:
        from billing_cli.gateway import stripe_receiver as server
    except ModuleNotFoundError as error:
        raise NotInstalledError(
            f"the library {error.name!r} is not installed", "pip install 'billing-cli[server]'"
        ) from error
    if place.path == server.HEALTH:
        raise UsageError(f"--path: {place.path} tells how the receiver is", "choose another path")
    with server.bound(place.host, place.port) as listening:
        worker = _Worker(app, say)
        if _can_work(app, say, confirm):
            worker.start()
        endpoint = server.Endpoint(
            place.path,
            LARGEST_BODY,
            lambda body, signature: _keep(app, worker, say, body, signature),
            lambda: _is_healthy(app),
        )
        host = f"[{place.host}]" if ":" in place.host else place.host
        say(f"listening on http://{host}:{listening.getsockname()[1]}{place.path}")
        server.serve(listening, endpoint)
    say("stopped listening")
    worker.stop()


def _check(app: App, place: Place) -> None:
    require_on(app)
    require_signing_secret(app)
    if not place.path.startswith("/") or set(place.path) & set("{}?# "):
        raise UsageError(
            f"--path: {place.path!r} is no path", "write it as /api/plugins/billing/webhook"
        )
    with app.unit_of_work():
        pass


def _can_work(app: App, say: Say, confirm: Confirm) -> bool:
    """Tell whether events can be worked off here; what is wrong for good is an error now."""
    waits = without_key(app)
    if waits is not None:
        say(waits)
        return False
    with app.unit_of_work() as uow, uow.reading() as tx:
        mode = state.get(tx, state.MODE)
    if mode == (LIVE if app.stripe.is_live else TEST):
        # Nothing has to be asked before the first event: Stripe may not answer just now.
        return True
    try:
        with opened(app, confirm):
            pass
    except UnavailableError as error:
        say(f"{error.message}: events are kept, and worked off later")
    return True


def _is_healthy(app: App) -> bool:
    try:
        with app.unit_of_work() as uow, uow.reading() as tx:
            state.get(tx, state.MODE)
    except BillingError:
        return False
    return True


def _keep(app: App, worker: _Worker, say: Say, body: bytes, signature: str | None) -> Reply:
    """Keep one event and say what to answer; runs in a thread of its own."""
    from billing_cli.gateway.stripe_receiver import Reply

    try:
        kept = stripe_events.receive(app, body, signature)
    except InvalidDataError as error:
        say(error.message)
        return Reply(_REFUSED, {"error": error.message})
    except BillingError as error:
        say(f"not kept: {error.message}")
        return Reply(_UNAVAILABLE, {"error": "the event was not kept: send it again"})
    except Exception as error:  # noqa: BLE001 - one request must not end the receiver
        say(f"not kept: {type(error).__name__}")
        return Reply(_BROKEN, {"error": "the event was not kept: send it again"})
    say(_told(kept))
    if kept["state"] == PENDING:
        worker.wake()
    return Reply(_KEPT, {"received": True})


def _told(kept: dict[str, Any]) -> str:
    what = f"{kept['id']} {kept['type']}"
    if not kept["is_new"]:
        return f"{what}: known already, {kept['state']}"
    if kept["state"] == PENDING:
        return f"{what}: kept"
    return f"{what}: {kept['state']}: {kept['reason']}"


class _StoppedError(Exception):
    """The receiver ends: what is left waits."""


class _Worker(threading.Thread):
    """Works off what waits, one object after the other, whenever it is woken."""

    def __init__(self, app: App, say: Say) -> None:
        super().__init__(name="stripe-events", daemon=True)
        self._app = app
        self._say = say
        self._woken = threading.Event()
        self._woken.set()
        self._stopping = False
        self._is_behind = False

    def wake(self) -> None:
        """There is something to work off."""
        self._woken.set()

    def stop(self) -> None:
        """Finish what was begun; give up on Stripe when it takes too long to answer."""
        self._stopping = True
        self._woken.set()
        if not self.is_alive():
            return
        self.join(_SECONDS_TO_STOP)
        if self.is_alive():
            self._say("Stripe takes long to answer: what was begun is done by the next sync")

    def run(self) -> None:
        """Work until the receiver ends."""
        while True:
            self._woken.wait(_SECONDS_BEFORE_ANOTHER_TRY if self._is_behind else None)
            self._woken.clear()
            if self._stopping:
                return
            try:
                self._is_behind = not self._work()
            except _StoppedError:
                return
            except BillingError as error:
                self._is_behind = True
                self._say(f"not worked off yet: {error.message}")
            except Exception as error:  # noqa: BLE001 - the receiver goes on, and tries again
                self._is_behind = True
                self._say(f"not worked off yet: {type(error).__name__}")

    def _work(self) -> bool:
        """Work off what waits; tell whether all of it could be."""
        with opened(self._app, lambda _question: False) as account:
            worked = stripe_inbox.work(account, self._between)
        if worked.done or worked.ignored:
            self._say(f"worked off: {worked.done} applied, {worked.ignored} ignored")
        for failure in worked.failures:
            self._say(f"{failure.kind} {failure.id}: failed: {failure.reason}")
        return not worked.failures

    def _between(self, _count: int) -> None:
        if self._stopping:
            raise _StoppedError
