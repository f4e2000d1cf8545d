"""``billing events deliver``: what reaches whom, when, in which order, and what is shown of it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

import pytest
from standardwebhooks import Webhook

from billing_cli.pricing.instants import format_instant, parse_instant
from billing_cli.store.deliveries import only_deliverer
from billing_cli.store.engine import open_engine
from tests.servers import Answer, HttpServer, ca_file, http_server, slow_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.command_line import Invoke, Result

SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRETS: Final = {"BILLING_SINK_HOOK_SECRET": SECRET}
START: Final = parse_instant("2025-02-01T00:00:00Z")[0]
RUN: Final = ("events", "deliver")


def after(seconds: int) -> str:
    """An instant so long after the start."""
    return format_instant(START + seconds)


@pytest.fixture(name="server")
def _server() -> Iterator[HttpServer]:
    with http_server() as server:
        yield server


def hook(server: HttpServer, **more: object) -> dict[str, object]:
    return {"name": "hook", "kind": "webhook", "url": f"{server.url}/in", **more}


def sinks(run: Invoke, *them: dict[str, object], **more: object) -> None:
    """Configure sinks, and have them served for a first time: from now on they are told."""
    run.configure(notifications={"sinks": them, **more})
    run(*RUN, at=after(0), environ=SECRETS).ok()


def deliver(run: Invoke, seconds: int, *words: str, code: int = 0) -> Result:
    result = run(*RUN, *words, at=after(seconds), environ=SECRETS)
    assert result.exit_code == code, result.stderr
    return result


def told(server: HttpServer) -> list[str]:
    """The ids of the events that came in, in order."""
    return [request.headers["webhook-id"] for request in server.requests]


def listed(run: Invoke, *words: str) -> list[tuple[str, str, int]]:
    rows = run("events", "deliveries", "list", *words, "-o", "json").ok().json()
    return [(row["event"], row["state"], row["attempts"]) for row in rows]


def add(run: Invoke, *users: str, seconds: int = 1) -> None:
    for user in users:
        run("user", "add", user, at=after(seconds)).ok()


def grant(run: Invoke, user: str, seconds: int = 2) -> None:
    words = ("credits", "add", "--user", user, "--amount", "1.00", "--reason", "thanks")
    run(*words, at=after(seconds)).ok()


def refuse(*users: str, status: int = 500) -> Any:
    """What answers with an error to what is about some users."""
    return lambda request: Answer(status if request.json()["data"]["user_id"] in users else 204)


def test_a_webhook_is_signed_as_the_standard_says(
    sqlite_invoke: Invoke, server: HttpServer
) -> None:
    run = sqlite_invoke
    other = "whsec_" + "QUJD" * 11
    run.configure(notifications={"sinks": [hook(server)]})
    # The time is the real one: receivers refuse what was signed long ago.
    environ = {"BILLING_SINK_HOOK_SECRET": f"{SECRET} {other}"}
    run(*RUN, environ=environ).ok()
    run("user", "add", "john", "--name", "Jöhn <&> 漢").ok()
    assert run(*RUN, environ=environ).ok().stderr == ""
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/in")
    assert request.headers["content-type"] == "application/json"
    payload = Webhook(SECRET).verify(request.body, request.headers)
    assert payload == Webhook(other).verify(request.body, request.headers) == request.json()
    assert (payload["id"], payload["type"]) == ("evt_1", "billing.user.created")
    assert payload["data"]["name"] == "Jöhn <&> 漢"
    printed = run("events", "replay", "evt_1", "--dry-run").ok()
    assert payload == json.loads(printed.stdout)


def test_what_fails_holds_back_what_is_later_of_its_user(run: Invoke, server: HttpServer) -> None:
    sinks(run, hook(server))
    add(run, "ann", "zoe")
    grant(run, "ann")
    grant(run, "zoe")
    server.respond = refuse("ann")
    shown = deliver(run, 10, code=7)
    assert told(server) == ["evt_1", "evt_2", "evt_4"]
    assert "evt_3" not in shown.stdout
    assert shown.stderr == (
        "error: not everything was delivered: 1 failed and will be tried again\n"
        "hint: billing events deliveries list shows what, why and when it is tried again\n"
    )
    assert listed(run) == [("evt_1", "retrying", 1), ("evt_3", "pending", 0)]
    # Too early: nothing is tried, and nothing has failed.
    deliver(run, 50)
    assert len(server.requests) == 3
    deliver(run, 80, code=7)
    assert listed(run)[0] == ("evt_1", "retrying", 2)
    # Neither does what is new overtake what is not due yet.
    grant(run, "ann", 90)
    deliver(run, 95)
    assert len(server.requests) == 4
    server.respond = refuse()
    deliver(run, 400)
    assert told(server)[3:] == ["evt_1", "evt_1", "evt_3", "evt_5"]
    assert listed(run) == []
    done = run(
        "events", "deliveries", "list", "--state", "delivered", "--user", "ann", "-o", "json"
    )
    first = done.json()[0]
    assert (first["event"], first["attempts"], first["settled_at"]) == ("evt_1", 3, after(400))
    run("db", "check").ok()


def test_what_is_dead_holds_nothing_back_and_can_be_retried(
    run: Invoke, server: HttpServer
) -> None:
    sinks(run, hook(server), maxAttempts=2)
    add(run, "ann")
    grant(run, "ann")
    server.respond = lambda request: Answer(
        500 if request.headers["webhook-id"] == "evt_1" else 200
    )
    deliver(run, 10, code=7)
    died = deliver(run, 100, code=7)
    assert "1 dead" in died.stderr
    assert told(server) == ["evt_1", "evt_1", "evt_2"]
    (row,) = run("events", "deliveries", "list", "-o", "json").json()
    assert (row["state"], row["next_attempt_at"]) == ("dead", None)
    assert row["last_error"] == f"127.0.0.1:{server.port} answers 500"
    # As long as something is dead, every run says so.
    deliver(run, 110, code=7)
    server.respond = refuse()
    again = ("events", "deliveries", "retry")
    assert "again: 1" in run(*again, "--all", "--dry-run").ok().stderr
    assert "again: 1" in run(*again, "evt_1", "--sink", "hook", at=after(120)).ok().stderr
    assert listed(run) == [("evt_1", "pending", 0)]
    deliver(run, 130)
    assert told(server)[3:] == ["evt_1"]
    assert run(*again, "evt_1").exit_code == 4
    assert run(*again, "evt_9").exit_code == 3
    assert run(*again).exit_code == 2
    assert "again: 0" in run(*again, "--all").ok().stderr


def test_what_is_dead_can_be_dropped(sqlite_invoke: Invoke, server: HttpServer) -> None:
    run = sqlite_invoke
    sinks(run, hook(server), maxAttempts=1)
    add(run, "ann", "zoe")
    server.respond = refuse("ann", "zoe", status=400)
    deliver(run, 10, code=7)
    assert "dropped: 1" in run("events", "deliveries", "drop", "evt_1").ok().stderr
    assert "dropped: 1" in run("events", "deliveries", "drop", "--all", at=after(11)).ok().stderr
    deliver(run, 12)
    assert listed(run, "--state", "dropped") == [("evt_1", "dropped", 1), ("evt_2", "dropped", 1)]
    assert run("events", "deliveries", "drop", "evt_1").exit_code == 4


def test_a_sink_is_told_what_comes_after_it(run: Invoke, server: HttpServer) -> None:
    add(run, "old")
    sinks(run, hook(server))
    add(run, "ann", seconds=5)
    # It is seen when it is first served, and not before: what came in between is not for it.
    with http_server() as late:
        two = {"sinks": [hook(server), hook(late, name="late")]}
        secrets = {**SECRETS, "BILLING_SINK_LATE_SECRET": SECRET}
        run.configure(notifications=two)
        planned = run(*RUN, "--dry-run", "-o", "json", at=after(10), environ=secrets).ok()
        assert [(row["status"], row["due"]) for row in planned.json()] == [
            ("active", 1),
            ("new", 0),
        ]
        assert planned.stderr == "nothing was kept: this was a rehearsal\n"
        assert not server.requests
        since = ("--since", after(1), "--sink", "late")
        planned = run(*RUN, *since, "--dry-run", "-o", "json", at=after(10), environ=secrets)
        assert planned.json()[0]["due"] == 2
        run(*RUN, *since, at=after(10), environ=secrets).ok()
        assert (told(server), told(late)) == ([], ["evt_1", "evt_2"])
        assert run(*RUN, *since, at=after(11), environ=secrets).exit_code == 4
        run(*RUN, at=after(12), environ=secrets).ok()
        assert told(server) == ["evt_2"]
        # Told again, to both, in order; what nobody has been told yet is told once.
        add(run, "zoe", seconds=13)
        run("events", "replay", "--since", after(0), at=after(14)).ok()
        run(*RUN, at=after(15), environ=secrets).ok()
        assert told(server)[1:] == told(late)[2:] == ["evt_1", "evt_2", "evt_3"]
        run(*RUN, at=after(16), environ=secrets).ok()
        assert len(server.requests) == 4


def test_only_what_a_sink_wants_is_told(sqlite_invoke: Invoke, server: HttpServer) -> None:
    run = sqlite_invoke
    sinks(run, hook(server, events=["billing.credit.*", "billing.invoice.paid"]))
    add(run, "ann", "zoe")
    grant(run, "ann")
    run("events", "replay", "evt_1", at=after(5)).ok()
    deliver(run, 10)
    assert told(server) == ["evt_3"]
    run("events", "replay", "evt_1", "evt_3", at=after(15)).ok()
    deliver(run, 20)
    assert told(server) == ["evt_3", "evt_3"]


def test_a_server_that_does_not_answer_is_left_alone(run: Invoke, server: HttpServer) -> None:
    sinks(run, hook(server))
    add(run, "a", "b", "c", "d", "e")
    server.respond = lambda _: Answer(None)
    shown = deliver(run, 10, code=7)
    assert len(server.requests) == 3
    assert "paused until 2025-02-01T00:01:" in shown.stdout
    assert "the connection was closed without an answer" in shown.stdout
    assert [state for _, state, _ in listed(run)] == ["retrying"] * 3 + ["pending"] * 2
    deliver(run, 15)
    assert (
        run("events", "sinks", "list", "-o", "json", at=after(15)).json()[0]["status"] == "paused"
    )
    assert len(server.requests) == 3
    server.respond = lambda _: Answer()
    run("events", "sinks", "resume", "hook").ok()
    deliver(run, 16)
    assert told(server)[3:] == ["evt_4", "evt_5"]
    deliver(run, 100)
    assert sorted(told(server)[5:]) == ["evt_1", "evt_2", "evt_3"]
    assert run("events", "sinks", "resume", "hook").exit_code == 4
    assert run("events", "sinks", "resume", "nobody").exit_code == 3


def test_a_server_that_asks_for_time_gets_it(sqlite_invoke: Invoke, server: HttpServer) -> None:
    run = sqlite_invoke
    sinks(run, hook(server))
    add(run, "a", "b")
    server.respond = lambda _: Answer(429, {"Retry-After": "500"})
    deliver(run, 10, code=7)
    assert len(server.requests) == 1
    deliver(run, 500)
    assert len(server.requests) == 1
    # As a date, and longer than the usual wait.
    server.respond = lambda _: Answer(503, {"Retry-After": "Sat, 01 Feb 2025 00:20:00 GMT"})
    deliver(run, 520, code=7)
    assert len(server.requests) == 2
    deliver(run, 1190)
    server.respond = lambda _: Answer()
    deliver(run, 1210)
    assert len(server.requests) == 4


def test_a_server_that_wants_no_more_is_told_no_more(run: Invoke, server: HttpServer) -> None:
    sinks(run, hook(server))
    add(run, "a", "b")
    server.respond = lambda _: Answer(410)
    stopped = deliver(run, 10, code=7)
    assert "it wants no more events" in stopped.stdout
    deliver(run, 20, code=7)
    assert len(server.requests) == 1
    assert run("events", "sinks", "list", "-o", "json").json()[0]["status"] == "stopped"
    run("events", "sinks", "resume", "hook").ok()
    server.respond = lambda _: Answer()
    deliver(run, 30)
    assert told(server)[1:] == ["evt_1", "evt_2"]


def test_redirects_are_not_followed(sqlite_invoke: Invoke, server: HttpServer) -> None:
    run = sqlite_invoke
    sinks(run, hook(server))
    add(run, "a")
    server.respond = lambda _: Answer(307, {"Location": f"{server.url}/other"})
    assert "redirects are not followed" not in deliver(run, 10, code=7).stderr
    assert [request.path for request in server.requests] == ["/in"]
    (row,) = run("events", "deliveries", "list", "-o", "json").json()
    assert "answers 307: redirects are not followed" in row["last_error"]


def test_certificates_are_checked(sqlite_invoke: Invoke) -> None:
    run = sqlite_invoke
    with http_server(tls=True) as server:
        sinks(run, hook(server))
        add(run, "a")
        deliver(run, 10, code=7)
        (row,) = run("events", "deliveries", "list", "-o", "json").json()
        assert "its certificate is not trusted" in row["last_error"]
        ca_file(run.work)
        sinks_with_ca = hook(server, caFile="ca.pem")
        run.configure(notifications={"sinks": [sinks_with_ca]})
        deliver(run, 200)
        assert told(server) == ["evt_1"]
        # One connection serves them all.
        add(run, "b", "c", seconds=210)
        before = server.connections
        deliver(run, 220)
        assert server.connections == before + 1
        # The name counts, and not only who signed for it.
        wrong = {**sinks_with_ca, "url": server.url.replace("127.0.0.1", "localhost")}
        run.configure(notifications={"sinks": [wrong]})
        add(run, "d", seconds=230)
        deliver(run, 240, code=7)
        assert told(server) == ["evt_1", "evt_2", "evt_3"]


def test_a_slow_server_is_not_waited_for(sqlite_invoke: Invoke) -> None:
    run = sqlite_invoke
    with slow_server() as port:
        plain: dict[str, object] = {"host": "127.0.0.1", "port": port, "tls": "none"}
        mail = {"name": "mail", "kind": "email", "from": "a@example.com", "to": "b@example.com"}
        web = {"name": "hook", "kind": "webhook", "url": f"http://127.0.0.1:{port}/"}
        common: dict[str, object] = {"timeoutSeconds": 1, "events": ["*"]}
        sinks(run, {**web, **common}, {**mail, **plain, **common})
        add(run, "a")
        started = time.monotonic()
        deliver(run, 10, code=7)
        assert time.monotonic() - started < 5
    errors = [row["last_error"] for row in run("events", "deliveries", "list", "-o", "json").json()]
    assert errors == [f"127.0.0.1:{port}: no answer within 1 s", "127.0.0.1: no answer within 1 s"]


def test_a_few_at_a_time(sqlite_invoke: Invoke, server: HttpServer) -> None:
    run = sqlite_invoke
    sinks(run, hook(server))
    add(run, *"abcdef")
    shown = deliver(run, 10, "--limit", "4", "-o", "json").json()
    assert (shown[0]["delivered"], shown[0]["backlog"]) == (4, 2)
    assert run(*RUN, "--dry-run", "-o", "json", at=after(11)).json()[0]["due"] == 2
    # What no run has looked at yet is listed as well.
    assert listed(run, "--user", "e") == [("evt_5", "pending", 0)]
    assert listed(run, "--event", "evt_6") == [("evt_6", "pending", 0)]
    assert listed(run, "--state", "dead") == []
    deliver(run, 12)
    assert told(server) == [f"evt_{number}" for number in range(1, 7)]


def test_nobody_to_tell_and_what_cannot_be_told(sqlite_invoke: Invoke, server: HttpServer) -> None:
    run = sqlite_invoke
    assert run(*RUN).ok().stderr == "no sinks are configured: docs/notifications.md says how\n"
    assert run("events", "sinks", "list").ok().stdout == ""
    sinks(run, hook(server), {"name": "other", "kind": "command", "command": ["true"]})
    add(run, "a")
    planned = run(*RUN, "--dry-run", "-o", "json", at=after(4)).ok().json()
    assert [row["note"] for row in planned] == ["its signing secret is missing", None]
    # A sink without its secret does not keep the others waiting.
    shown = run(*RUN, "-o", "json", at=after(5))
    assert (shown.exit_code, shown.json()[1]["delivered"]) == (7, 1)
    assert shown.json()[0]["note"] == "its signing secret is missing"
    assert "set BILLING_SINK_HOOK_SECRET, or secretFile" in shown.stderr
    for words, code in (
        (("--sink", "nobody"), 3),
        (("--limit", "0"), 2),
        (("--since", "yesterday"), 2),
    ):
        assert run(*RUN, *words).exit_code == code
    assert run("events", "deliveries", "list", "--state", "lost").exit_code == 2
    assert run("events", "deliveries", "list", "--sink", "nobody").exit_code == 3
    run.configure(enabled=False)
    assert "switched off" in run(*RUN).ok().stderr


def test_one_process_delivers_at_a_time(run: Invoke, server: HttpServer) -> None:
    sinks(run, hook(server))
    add(run, "a")
    engine = open_engine(run.database)
    with only_deliverer(engine) as mine:
        assert mine
        result = deliver(run, 10)
        assert result.stderr.startswith("another process is delivering: nothing was done\n")
        assert not server.requests
    engine.dispose()
    deliver(run, 11)
    assert told(server) == ["evt_1"]


def test_secrets_are_nowhere(sqlite_invoke: Invoke, server: HttpServer) -> None:
    run = sqlite_invoke
    name = run.work / "secret"
    name.write_text(f"{SECRET}\n")
    name.chmod(0o644)
    run.configure(notifications={"sinks": [hook(server, secretFile="secret")]})
    warned = run(*RUN, at=after(0)).ok()
    assert "holds a secret and can be read by other users" in warned.stderr
    add(run, "a")
    server.respond = lambda request: Answer(500, body=request.headers["webhook-signature"].encode())
    shown = run(*RUN, at=after(5))
    listing = run("events", "deliveries", "list", "-o", "json")
    config = run("config", "show", "-o", "json").ok()
    sinks_shown = run("events", "sinks", "list", "-o", "json").ok()
    name.write_text("whsec_not-base64-secret!")
    wrong = run(*RUN, at=after(500))
    assert "its signing secret is not whsec_ and 24 to 64 bytes" in wrong.stderr
    name.unlink()
    missing = run(*RUN, at=after(500))
    assert "cannot be read: no such file" in missing.stderr
    for result in (warned, shown, listing, config, sinks_shown, wrong, missing):
        for text in (SECRET, SECRET.removeprefix("whsec_"), "not-base64-secret"):
            assert text not in result.stdout + result.stderr
    for file in run.folder.rglob("billing.db*"):
        assert SECRET.encode() not in file.read_bytes()


@pytest.fixture(name="run")
def _run(invoke: Invoke) -> Invoke:
    return invoke


def test_a_server_that_asks_for_time_for_one_event_gets_it(
    sqlite_invoke: Invoke, server: HttpServer
) -> None:
    sinks(sqlite_invoke, hook(server))
    add(sqlite_invoke, "a", "b")
    server.respond = lambda request: (
        Answer(409, {"Retry-After": "500"})
        if request.json()["data"]["user_id"] == "a"
        else Answer(204)
    )
    deliver(sqlite_invoke, 10, code=7)
    assert len(server.requests) == 2
    server.respond = lambda _: Answer()
    deliver(sqlite_invoke, 400)
    assert len(server.requests) == 2
    deliver(sqlite_invoke, 511)
    assert len(server.requests) == 3


def test_only_silences_in_a_row_leave_a_server_alone(
    sqlite_invoke: Invoke, server: HttpServer
) -> None:
    sinks(sqlite_invoke, hook(server))
    add(sqlite_invoke, "a", "b", "c", "d", "e", "f")
    server.respond = lambda request: Answer(
        None if request.json()["data"]["user_id"] in "abd" else 200
    )
    deliver(sqlite_invoke, 10, code=7)
    assert {"evt_5", "evt_6"} <= set(told(server))
