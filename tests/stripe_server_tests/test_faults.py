"""What goes wrong goes wrong where it is told to, before or after the effect."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.stripe_server import wheel
from tests.stripe_server.client import KEY, client, library

if TYPE_CHECKING:
    from tests.stripe_server import StripeServer
    from tests.stripe_server.client import Client


def create(stripe: Client, key: str = "k") -> str:
    return stripe.v1.customers.create({"email": "a@b.test"}, {"idempotency_key": key}).id


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("kind", "error", "status"),
    [
        ("500", library.APIError, 500),
        ("503", library.APIError, 503),
        ("409", library.APIError, 409),
        ("429", library.RateLimitError, 429),
        ("html", library.APIError, 502),
        ("drop", library.APIConnectionError, 0),
    ],
)
def test_errors(
    server: StripeServer,
    stripe: Client,
    kind: str,
    when: str,
    error: type[Exception],
    status: int,
) -> None:
    server.fault(kind, when)
    with pytest.raises(error):
        create(stripe)
    assert len(server.objects("customers")) == (when == "after")
    if (kind, when) != ("500", "after"):
        create(stripe)
    assert len(server.objects("customers")) == 1
    assert server.requests[0].status == status
    assert server.requests[0].fault == f"{kind} {when}"


def test_a_library_that_tries_again_gets_what_it_wants(server: StripeServer) -> None:
    server.fault("drop", "after")
    with client(server.url, retries=1) as patient:
        assert create(patient)
    assert [(entry.status, entry.replayed) for entry in server.requests] == [
        (0, False),
        (200, True),
    ]


def keys_are_settled(server: StripeServer) -> bool:
    with server.service.lock:
        keys = server.service.engine.state.keys.values()
        return all(stored.result is not None for stored in keys)


@pytest.mark.parametrize("when", ["before", "after"])
def test_no_answer_until_the_client_gives_up(server: StripeServer, when: str) -> None:
    server.fault("timeout", when)
    with client(server.url, seconds=0.5) as hasty, pytest.raises(library.APIConnectionError):
        create(hasty)
    # Until the server has seen that the client is gone, its key is in use.
    deadline = time.monotonic() + 20
    while not keys_are_settled(server) and time.monotonic() < deadline:
        time.sleep(0.01)
    with client(server.url) as patient:
        create(patient)
    assert len(server.objects("customers")) == 1
    assert server.requests[-1].replayed == (when == "after")


def test_faults_count_the_requests_that_match(server: StripeServer, stripe: Client) -> None:
    server.fault("503", match="POST /v1/products*", at=2, times=2)
    seen = []
    for name in ("a", "b", "c", "d"):
        create(stripe, key=name)
        try:
            stripe.v1.products.create({"name": name})
        except library.APIError:
            seen.append(name)
    assert seen == ["b", "c"]
    assert server.service.faults == []


def test_what_is_always_wrong_ends_when_it_is_cleared(server: StripeServer, stripe: Client) -> None:
    server.fault("429", times=0, retry_after=7)
    with pytest.raises(library.RateLimitError):
        create(stripe)
    with pytest.raises(library.RateLimitError) as caught:
        create(stripe)
    assert (caught.value.headers or {})["retry-after"] == "7"
    server.clear_faults()
    assert create(stripe)


def test_more_than_the_limit_is_refused(server: StripeServer, stripe: Client) -> None:
    server.limit_rate(0)
    with pytest.raises(library.RateLimitError):
        create(stripe)
    server.limit_rate(1000)
    assert create(stripe)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_client_can_be_killed_in_the_middle_of_its_request(
    server: StripeServer, when: str
) -> None:
    code = (
        "import http.client, sys; c = http.client.HTTPConnection(sys.argv[1]);"
        "c.request('POST', '/v1/customers', 'email=a@b.test',"
        " {'Authorization': 'Bearer ' + sys.argv[2], 'Stripe-Version': sys.argv[3]});"
        "c.getresponse()"
    )
    pids: list[int] = []
    server.fault("kill", when, pid=lambda: pids[0])
    with subprocess.Popen(
        [sys.executable, "-c", code, server.url.removeprefix("http://"), KEY, wheel.api_version()]
    ) as process:
        pids.append(process.pid)
        assert process.wait(timeout=10) == -9
    assert len(server.objects("customers")) == (when == "after")


def test_what_is_no_fault_is_refused(server: StripeServer) -> None:
    with pytest.raises(ValueError, match="no fault '418'"):
        server.fault("418")


def test_callbacks_see_requests_before_and_after(server: StripeServer, stripe: Client) -> None:
    seen: list[Any] = []
    server.on_request(lambda entry: seen.append((str(entry), entry.status)))
    server.on_request(lambda entry: seen.append((entry.params, entry.status)), after=True)
    create(stripe)
    assert seen == [("POST /v1/customers", 0), ({"email": "a@b.test"}, 200)]
