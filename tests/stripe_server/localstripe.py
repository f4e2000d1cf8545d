"""localstripe, another stateful stand-in for Stripe, that others wrote: an independent opinion.

It knows customers, cards, set-up, payments, declines, refunds, charges, events and signed webhooks;
no prices, Checkout, portal, finalization, credit notes or idempotency. Its events come oldest
first. It is under the GPL and only ever a process of its own, which this module starts:
``python -m tests.stripe_server.localstripe`` is that process.
"""

from __future__ import annotations

import contextlib
import importlib
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT: Final = Path(__file__).parent.parent.parent
_END_SECONDS: Final = 10


@contextlib.contextmanager
def localstripe() -> Iterator[str]:
    """Run it for as long as the context is entered; gives its URL. It begins with nothing."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.stripe_server.localstripe"],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout
    with process.stdout:
        try:
            url = process.stdout.readline().strip()
            assert url, "localstripe does not start"
            yield url
        finally:
            process.kill()
            process.wait(timeout=_END_SECONDS)


def _serve() -> None:
    """Serve on a free port of loopback alone, and keep nothing on the disk."""
    web = importlib.import_module("aiohttp.web")
    server = importlib.import_module("localstripe.server")
    store = importlib.import_module("localstripe.resources").Store
    store.dump_to_disk = lambda _self: None
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    print(f"http://127.0.0.1:{port}", flush=True)  # noqa: T201 - this is how its URL is told
    web.run_app(server.app, sock=listening, print=None, access_log=None)


if __name__ == "__main__":
    _serve()
