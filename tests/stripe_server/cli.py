"""Stripe's own command line, as an independent peer of what we test.

It comes from npm, where there is one, into a folder of the machine's temporary files that later
runs find again. It never speaks to Stripe: it is told where the stand-in is.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stripe_server.server import StripeServer

VERSION: Final = "1.52.0"
KEY: Final = "sk_test_standin0123456789"
_QUIETLY: Final = ("--no-audit", "--no-fund", "--loglevel=error")
_LISTEN: Final = ("listen", "--all-snapshot", "--no-wss", "--skip-update")
_INSTALL_SECONDS: Final = 60
_TRIGGER_SECONDS: Final = 30
_CONNECT_SECONDS: Final = 20


class MissingError(Exception):
    """The command line is not to be had here; says why."""


@cache
def _binary() -> Path | str:
    """Where it is, or why it is nowhere. Asked for once, however many tests want it."""
    npm = shutil.which("npm")
    folder = Path(tempfile.gettempdir()) / f"stripe-cli-{VERSION}-{os.getuid()}"
    if not folder.exists():
        if npm is None:
            return f"@stripe/cli {VERSION} is not there, and neither is npm to install it"
        # Beside its place and then moved: another process may do the same.
        made = Path(tempfile.mkdtemp(prefix=folder.name, dir=folder.parent))
        try:
            subprocess.run(
                [npm, "install", "--prefix", str(made), *_QUIETLY, f"@stripe/cli@{VERSION}"],
                check=True,
                capture_output=True,
                timeout=_INSTALL_SECONDS,
            )
        except (subprocess.SubprocessError, OSError) as error:
            shutil.rmtree(made, ignore_errors=True)
            return f"npm cannot install @stripe/cli {VERSION}: {type(error).__name__}"
        with contextlib.suppress(OSError):
            made.rename(folder)
        shutil.rmtree(made, ignore_errors=True)
    # The program itself, not the script around it that needs node.
    for found in sorted(folder.glob("node_modules/@stripe/cli-*/bin/stripe")):
        return found
    return f"@stripe/cli {VERSION} has no program for this machine"


def _run() -> tuple[Path, dict[str, str]]:
    found = _binary()
    if isinstance(found, str):
        raise MissingError(found)
    home = found.parent.parent  # Its settings, of which there are none.
    environment = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "PATH": os.environ.get("PATH", ""),
        "STRIPE_API_KEY": KEY,
        "STRIPE_CLI_TELEMETRY_OPTOUT": "1",
        "DO_NOT_TRACK": "1",
    }
    return found, environment


def check() -> None:
    """Raise `MissingError` if there is no command line here, and none can be installed."""
    _run()


def trigger(server: StripeServer, event: str) -> None:
    """Send the sequence of requests with which Stripe's command line makes such an event happen."""
    program, environment = _run()
    done = subprocess.run(
        [program, "trigger", event, "--api-base", server.url],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_TRIGGER_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@contextlib.contextmanager
def listen(server: StripeServer, forward_to: str) -> Iterator[None]:
    """Forward what `StripeServer.push` sends to a receiver, as ``stripe listen`` does.

    It does so concurrently, and therefore in any order. What it signs with is
    `StripeServer.webhook_secret`.
    """
    program, environment = _run()
    process = subprocess.Popen(
        [str(program), *_LISTEN, "--api-base", server.url, "--forward-to", forward_to],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert server.wait_for_listener(_CONNECT_SECONDS), "stripe listen does not connect"
        yield
    finally:
        process.terminate()
        process.wait(timeout=_CONNECT_SECONDS)
