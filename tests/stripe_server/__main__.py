"""The stand-in as a process of its own: ``python -m tests.stripe_server --port 0``.

It prints its URL as the first line, and serves until it is ended.
"""

from __future__ import annotations

import argparse
import signal

from tests.stripe_server import StripeServer


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(prog="python -m tests.stripe_server")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--account", default="acct_1StandIn")
    parser.add_argument("--now", type=int, help="let the clock stand still at this second")
    parser.add_argument("--fast", action="store_true", help="no events, no checks of shapes")
    arguments = parser.parse_args()
    server = StripeServer(arguments.account, now=arguments.now, port=arguments.port)
    if arguments.fast:
        server.engine.keep_events = server.engine.check_shapes = False
        server.service.keep_log = False
    # The first of these signals ends the wait; they must not end the process before.
    ended = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ended)
    with server:
        print(server.url, flush=True)  # noqa: T201 - this is how its URL is told
        signal.sigwait(ended)


if __name__ == "__main__":
    main()
