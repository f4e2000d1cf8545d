"""The receiver, as a process of its own: what it answers, and what becomes of what it was sent."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

import billing_cli.gateway
from tests.stripe.world import KEY, SECRET, World, seconds
from tests.stripe_server.webhooks import signed

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from tests.command_line import Billing

_PATH: Final = "/api/plugins/billing/webhook"
_PATIENCE_SECONDS: Final = 20


@dataclass
class Receiver:
    """A receiver that runs."""

    process: subprocess.Popen[str]
    port: int
    started: list[str]
    secret: str

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        """Send a request, and return the status and body of the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, given)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def post(self, body: bytes, header: str) -> int:
        """Deliver an event, and return the status."""
        return self.ask("POST", _PATH, body, Stripe_Signature=header)[0]

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Stop it, and return its exit code and all that it said after it was started."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=_PATIENCE_SECONDS)
        assert out == ""
        return self.process.returncode, err


@contextmanager
def receiver(
    world: World, billing: Billing, *, stands_still: bool = True, **environ: str
) -> Iterator[Receiver]:
    """Run a receiver on a free port, whose clock stands still with the world's."""
    secrets = {"STRIPE_SECRET_KEY": KEY, "STRIPE_WEBHOOK_SECRET": SECRET} | environ
    process = billing.start(
        *("stripe", "listen", "--port", "0"),
        at=world.now if stands_still else None,
        environ=secrets,
    )
    assert process.stderr
    said: list[str] = []
    try:
        while not said or "listening on" not in said[-1]:
            said.append(process.stderr.readline())
            assert said[-1], said
        found = re.fullmatch(rf"listening on http://127\.0\.0\.1:(\d+){_PATH}\n", said[-1])
        assert found
        yield Receiver(process, int(found[1]), said, secrets["STRIPE_WEBHOOK_SECRET"])
    finally:
        process.kill()
        process.communicate()


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.2)


@pytest.fixture
def line(billing_on: Callable[[str], Billing], world: World) -> Billing:
    """The same command line, in processes of its own."""
    return billing_on(world.invoke.database)


def waiting(world: World) -> list[Any]:
    return world.rows("stripe", "events", "list", "--state", "pending")


def test_events_are_kept_at_once_and_worked_off(world: World, line: Billing) -> None:
    """Delivered twice, at the same time and in any order: in the end it is as it is on Stripe."""
    world.bill(ann=5, bob=6, cid=7)
    world.sync()
    world.server.pay_invoice(world.theirs("ann")["id"])
    world.server.decline_invoice(world.theirs("bob")["id"])
    world.server.void_invoice(world.theirs("cid")["id"])
    known = {row["id"] for row in world.rows("stripe", "events", "list")}
    events = [event for event in world.server.events if event["id"] not in known]
    posts = [signed(event, SECRET, seconds(world.now)) for event in events] * 2
    with receiver(world, line) as listening:
        cmdline = Path(f"/proc/{listening.process.pid}/cmdline").read_bytes()
        assert KEY.encode() not in cmdline
        assert SECRET.encode() not in cmdline
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda one: listening.post(*one), reversed(posts)))
        assert set(answers) == {200}
        eventually(lambda: not waiting(world))
        assert listening.ask("GET", "/healthz") == (200, b'{"status":"ok"}')
        code, said = listening.stop()
    assert code == 0
    assert said.endswith("stopped listening\n")
    lines = said.splitlines()
    for event in events:
        told = [one for one in lines if one.startswith(f"{event['id']} {event['type']}: ")]
        assert len(told) == 2
        assert sum(": known already, " in one for one in told) == 1
    assert any(one.startswith("worked off: ") for one in lines)
    assert KEY not in said
    assert SECRET not in said
    assert {user: world.ours(user)["status"] for user in ("ann", "bob", "cid")} == {
        "ann": "paid",
        "bob": "sent",
        "cid": "void",
    }
    assert not [one for one in world.sync() if one["side"] == "here" and one["kind"] != "event"]
    world.check()


def test_what_is_wrong_with_a_request_is_said(
    sqlite_world: World, sqlite_billing: Billing, tmp_path: Path
) -> None:
    """A bad signature is the sender's fault, a database that cannot be used is not."""
    world = sqlite_world
    world.bill(ann=5)
    world.sync()
    world.server.pay_invoice(world.theirs("ann")["id"])
    event = next(one for one in world.server.events if one["type"] == "invoice.paid")
    body, header = signed(event, SECRET, seconds(world.now))
    # While Stripe does not answer, nothing but working events off has to wait.
    world.server.fault("500", times=3)
    with receiver(world, sqlite_billing) as listening:
        assert len(listening.started) == 1
        status, answer = listening.ask("POST", _PATH, body, Stripe_Signature="t=1,v1=2")
        assert status == 400
        assert b"the signature does not match" in answer
        assert listening.ask("POST", _PATH, body)[0] == 400
        big = str(5 * 2**20 + 1)
        assert listening.ask("POST", _PATH, b"", Content_Length=big)[0] == 413
        many = (b"x" * 2**20 for _ in range(2**20))
        assert _flooded(listening, many)
        assert listening.ask("GET", _PATH)[0] == 405
        assert listening.ask("POST", "/", body)[0] == 404
        database = tmp_path / "billing.db"
        aside = _put_aside(database)
        assert listening.post(body, header) == 503
        assert listening.ask("GET", "/healthz")[0] == 503
        database.rmdir()
        for old, new in aside.items():
            new.rename(old)
        enough = threading.Event()
        world.server.fault("slow", match="GET /v1/invoices/*", until=enough)
        assert listening.post(body, header) == 200
        asked = f"GET /v1/invoices/{event['data']['object']['id']}"
        eventually(lambda: asked in map(str, world.server.requests))
        # What was begun is finished, however it is asked to stop.
        threading.Timer(1, enough.set).start()
        code, said = listening.stop(signal.SIGINT)
    assert code == 0
    assert "the event is refused: the signature does not match" in said
    assert "not kept: " in said
    assert world.ours("ann")["status"] == "paid"


def _flooded(listening: Receiver, chunks: Iterator[bytes]) -> bool:
    """Send a body that does not end; tell whether the receiver made it end."""
    connection = http.client.HTTPConnection("127.0.0.1", listening.port, timeout=10)
    try:
        connection.request(
            "POST", _PATH, chunks, {"Stripe-Signature": "t=1,v1=2"}, encode_chunked=True
        )
    except OSError:
        return True
    finally:
        connection.close()
    return False


def _put_aside(database: Path) -> dict[Path, Path]:
    """Put something else in the place of a database that nobody uses at the moment."""
    moved = {}
    for suffix in ("", "-wal", "-shm"):
        old = database.with_name(database.name + suffix)
        if old.exists():
            moved[old] = old.rename(database.with_name(f"aside{suffix}"))
    database.mkdir()
    return moved


def test_a_receiver_that_cannot_work_does_not_begin(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = sqlite_world
    listen = ("stripe", "listen")
    assert world(*listen, STRIPE_WEBHOOK_SECRET="").exit_code == 8
    assert world(*listen, "--path", "webhook").exit_code == 2
    assert world(*listen, "--path", "/healthz").exit_code == 2
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = world(*listen, "--port", port)
    assert refused.exit_code == 6
    assert f"port {port}: Address already in use" in refused.stderr
    assert world(*listen, "--port", "0", "--host", "no.such.host.invalid").exit_code == 6
    # With an account that is not known yet Stripe has to be asked first.
    world.server.revoke(KEY)
    assert world(*listen, "--port", "0").exit_code == 8
    live = world(*listen, "--port", "0", STRIPE_SECRET_KEY="sk_live_51abcDEF")
    assert (live.exit_code, "--yes" in live.stderr) == (2, True)
    world.configure(enabled=False)
    assert "switched off" in world(*listen).ok().stderr
    world.configure(stripeEnabled=False)
    assert world(*listen).exit_code == 8
    world.configure()
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "billing_cli.gateway.stripe_receiver", raising=False)
    monkeypatch.delattr(billing_cli.gateway, "stripe_receiver", raising=False)
    missing = world(*listen)
    assert missing.exit_code == 8
    assert "pip install 'billing-cli[server]'" in missing.stderr
