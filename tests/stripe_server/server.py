"""The server that tests start: see the package's docstring."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any, Self

from tests.stripe_server import webhooks
from tests.stripe_server.actions import Actions
from tests.stripe_server.engine import Engine
from tests.stripe_server.faults import BEFORE, Fault
from tests.stripe_server.service import Logged, Service
from tests.stripe_server.snapshot import snapshot
from tests.stripe_server.wire import Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from tests.stripe_server.state import Object


class StripeServer(Actions):
    """A stand-in for Stripe on a free port of loopback, for as long as it is entered."""

    def __init__(
        self, account: str = "acct_1StandIn", *, now: int | None = None, port: int = 0
    ) -> None:
        self.engine = Engine(account, now=now)
        self.service = Service(self.engine)
        self._port = port
        self._listener: Listener | None = None

    def start(self) -> Self:
        """Listen."""
        self._listener = Listener(self.service.handle, self._port)
        return self

    def stop(self) -> None:
        """Listen no more. What the stand-in itself did wrong is raised now."""
        if self._listener:
            self._listener.close()
            self._listener = None
        if self.service.crashes:
            raise AssertionError("the stand-in failed:\n" + "\n".join(self.service.crashes))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self._listener, "the server is not started"
        return f"http://127.0.0.1:{self._listener.port}"

    # What it knows -----------------------------------------------------------------------------

    def get(self, table: str, key: str, *expand: str) -> Object:
        """An object as the API shows it."""
        with self.service.lock:
            rows = self.engine.state[table]
            return self.engine.render(rows.rows.get(key) or rows.deleted[key], expand)

    def objects(self, table: str, **filters: Any) -> list[Object]:
        """The objects of a table that say all of `filters`, oldest first, as the API shows them."""
        with self.service.lock:
            return [self.engine.render(row) for row in self.engine.state[table].where(**filters)]

    def find(self, table: str, **metadata: str) -> Object:
        """The one object of a table whose metadata say this."""
        found = [
            row
            for row in self.objects(table)
            if metadata.items() <= (row.get("metadata") or {}).items()
        ]
        assert len(found) == 1, f"{len(found)} {table} with {metadata}"
        return found[0]

    @property
    def events(self) -> list[Object]:
        """All events, oldest first, those older than 30 days too."""
        return self.objects("events")

    @property
    def requests(self) -> list[Logged]:
        """The requests that came, in their order. Assign an empty list to begin anew."""
        return self.service.log

    @requests.setter
    def requests(self, value: list[Logged]) -> None:
        self.service.log = value

    @property
    def clock(self) -> int:
        """Stripe's time in seconds. Set it, and it stands still; set None, and it goes on."""
        return self.engine.now()

    @clock.setter
    def clock(self, value: int | None) -> None:
        self.engine.now_at = value

    def save(self) -> bytes:
        """All that the account holds, keys of idempotency included, for `restore`."""
        with self.service.lock:
            return pickle.dumps(self.engine.state, protocol=pickle.HIGHEST_PROTOCOL)

    def restore(self, saved: bytes) -> None:
        """Go back to what `save` gave, and forget the log and the faults."""
        with self.service.lock:
            self.engine.state = pickle.loads(saved)  # noqa: S301 - our own
            self.service.log = []
            self.service.faults = []

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """What the account holds, to be compared with what another run has left; see `snapshot`."""
        with self.service.lock:
            return snapshot(self.engine)

    # Webhooks ----------------------------------------------------------------------------------

    def signed(self, event: Object, secret: str, *, moment: int | None = None) -> tuple[bytes, str]:
        """The body of an event's delivery, and its header ``Stripe-Signature``."""
        return webhooks.signed(event, secret, self.clock if moment is None else moment)

    def deliver(
        self,
        url: str,
        secret: str,
        events: Iterable[Object] | None = None,
        *,
        old_shape: bool = False,
        **more: Any,
    ) -> list[webhooks.Delivery]:
        """Post events (all, if none are given) to a receiver; see `webhooks.deliver` for `more`."""
        chosen = self.events if events is None else list(events)
        shaped = [webhooks.old_shape(event) for event in chosen] if old_shape else chosen
        return webhooks.deliver(url, secret, shaped, **{"moment": self.clock, **more})

    def push(self, events: Iterable[Object]) -> None:
        """Send events to the ``stripe listen`` that listens; `webhook_replies` are its answers."""
        for event in events:
            self.service.tunnels.push(event, self.clock)

    def wait_for_listener(self, seconds: float) -> bool:
        """Wait until a ``stripe listen`` is connected; False if none came in time."""
        return self.service.tunnels.connected.wait(seconds)

    @property
    def webhook_secret(self) -> str:
        """What pushed events are signed with."""
        return self.service.tunnels.secret

    @property
    def webhook_replies(self) -> list[dict[str, Any]]:
        """What the receivers behind ``stripe listen`` have answered, with status and body."""
        return self.service.tunnels.replies

    # What goes wrong ---------------------------------------------------------------------------

    def fault(self, kind: str, when: str = BEFORE, **more: Any) -> Fault:
        """Let something go wrong; see `Fault` for the kinds and for `more`."""
        made = Fault(kind, when, **more)
        with self.service.lock:
            self.service.faults.append(made)
        return made

    def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        with self.service.lock:
            self.service.faults = []

    def on_request(self, callback: Callable[[Logged], None], *, after: bool = False) -> None:
        """Call something for each request, before it is worked on, or after it is."""
        (self.service.after if after else self.service.before).append(callback)

    def limit_rate(self, per_second: int | None) -> None:
        """Answer 429 to more requests than this in a second."""
        self.service.limit = per_second

    def forget_keys(self) -> None:
        """Forget all idempotency keys, as Stripe may after a day."""
        with self.service.lock:
            self.engine.state.keys = {}

    def revoke(self, key: str) -> None:
        """Take a key no more: 401."""
        self.service.keys.revoked.add(key)

    def restrict(self, key: str, *permissions: str) -> None:
        """Allow a key only this: "rak_invoice_write", "rak_customer_read", ..."""
        self.service.keys.allowed[key] = frozenset(permissions)
