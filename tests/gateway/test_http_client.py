from __future__ import annotations

import socket
import time

import pytest

from billing_cli.gateway.deadlines import deadline
from billing_cli.gateway.http_client import HttpClient, UnreachableError, pause_of
from tests.servers import HOST, Answer, http_server, slow_server

HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"",
        HEAD + b"Content-Length: 1000000\r\n\r\n",
        HEAD + b"Connection: close\r\n\r\n",
        HEAD + b"Connection: close\r\nContent-Length: 1000000\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["no answer", "kept", "closed", "closed with a length", "chunked"],
)
def test_no_answer_takes_longer_than_the_limit(head: bytes) -> None:
    with slow_server(head) as port:
        client = HttpClient(f"http://{HOST}:{port}/", 1)
        started = time.monotonic()
        with pytest.raises(UnreachableError, match=f"^{HOST}:{port}: no answer within 1 s$"):
            client.request("GET", "/", {})
        assert time.monotonic() - started < 3


def test_part_of_an_answer_is_none() -> None:
    with http_server() as server:
        server.respond = lambda _: Answer(
            200, {"Connection": "close", "Content-Length": "9"}, b"{}"
        )
        client = HttpClient(server.url, 5)
        with pytest.raises(UnreachableError, match=r"closed in the middle of an answer$"):
            client.request("GET", "/", {})


def test_an_answer_that_ends_the_connection_is_one() -> None:
    with http_server() as server:
        server.respond = lambda _: Answer(200, {"Connection": "close"}, b"{}")
        client = HttpClient(server.url, 5)
        assert [client.request("GET", "/", {}).body for _ in range(2)] == [b"{}", b"{}"]
        assert server.connections == 2


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (None, None),
        ("30", 30),
        ("0", None),
        ("9" * 99, 86_400),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90),
        ("Thu, 01 Jan 1970 00:00:05 GMT", None),
        ("soon", None),
        ("²", None),
    ],
)
def test_how_long_a_server_asks_to_be_left_alone(said: str | None, seconds: int | None) -> None:
    assert pause_of(said, 10) == seconds


def test_what_connects_too_slowly_is_broken_off_when_it_is_there() -> None:
    """Names are looked up, and TLS is begun, while there is no socket that could be found."""
    ours, theirs = socket.socketpair()
    started = time.monotonic()
    found = iter([None, ours])
    with ours, theirs, deadline(0.01, lambda: next(found, None)) as limit:
        ours.settimeout(5)
        assert ours.recv(1) == b""
    assert limit.passed
    assert time.monotonic() - started < 4
