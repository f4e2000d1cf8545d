"""A small web server for one endpoint: takes bodies in, hands them on, and answers.

It reads no more than it was told to, believes nothing that it is sent, and knows neither the
database nor Stripe. Importing this module imports ``starlette`` and ``uvicorn``.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from billing_cli.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

HEALTH: Final = "/healthz"
_SIGNATURE: Final = "stripe-signature"
# Who sends slower, or more at once, than Stripe does is somebody else.
_SECONDS_FOR_A_BODY: Final = 20
_MOST_CONNECTIONS: Final = 200
_SECONDS_TO_FINISH: Final = 10
_BAD, _SLOW, _LARGE, _UNAVAILABLE = 400, 408, 413, 503
# What uvicorn would log is told by whoever is handed the bodies.
_QUIET: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"none": {"class": "logging.NullHandler"}},
    "loggers": {"uvicorn": {"handlers": ["none"], "propagate": False}},
}


class Reply(NamedTuple):
    """What is answered: a status of HTTP, and JSON."""

    status: int
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is served: ``keep`` gets each body with its signature, in a thread of its own.

    A body of more than ``limit`` bytes is refused before it is read. ``is_healthy`` is asked for
    ``GET /healthz``.
    """

    path: str
    limit: int
    keep: Callable[[bytes, str | None], Reply]
    is_healthy: Callable[[], bool]


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens; UnavailableError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_MOST_CONNECTIONS)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnavailableError(
            f"cannot listen on {host}, port {port}: {reason}",
            "choose another with --host and --port, or stop what listens there",
        ) from error


def serve(listening: socket.socket, endpoint: Endpoint) -> None:
    """Serve until SIGTERM or SIGINT comes; what was begun is answered first."""
    config = uvicorn.Config(
        _application(endpoint),
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=_QUIET,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_SECONDS_TO_FINISH,
    )
    _Server(config).run([listening])


class _Server(uvicorn.Server):
    """A server that ends when it is told to, and does not then tell itself again."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Have signals end the server, and nothing else."""
        before = {
            number: signal.signal(number, self.handle_exit)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _application(endpoint: Endpoint) -> Starlette:
    async def receive(request: Request) -> Response:
        try:
            async with asyncio.timeout(_SECONDS_FOR_A_BODY):
                body = await _body(request, endpoint.limit)
        except TimeoutError:
            return _closing(_SLOW, "the body did not come in time")
        except ClientDisconnect:
            return _closing(_BAD, "the body ended too early")
        if body is None:
            return _closing(_LARGE, f"the body has more than {endpoint.limit} bytes")
        signature = request.headers.get(_SIGNATURE)
        reply = await run_in_threadpool(endpoint.keep, body, signature)
        return JSONResponse(dict(reply.body), reply.status)

    async def health(_request: Request) -> Response:
        if await run_in_threadpool(endpoint.is_healthy):
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "the database cannot be used"}, _UNAVAILABLE)

    return Starlette(
        routes=[
            Route(endpoint.path, receive, methods=["POST"]),
            Route(HEALTH, health, methods=["GET"]),
        ]
    )


async def _body(request: Request, limit: int) -> bytes | None:
    """Return the body, byte for byte; None where it is larger than it may be."""
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said[:20]) > limit:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)


def _closing(status: int, reason: str) -> Response:
    """Answer before all was read: the rest is not worth reading."""
    return JSONResponse({"error": reason}, status, {"Connection": "close"})
