"""Where ``billing`` and ``python -m billing_cli`` start."""

from __future__ import annotations

import signal


def main() -> None:
    """Import the program and run it: until there is anything to clean up, Ctrl-C just ends it."""
    # Whoever starts it in the background has signals ignored, which has to stay so.
    heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heeded:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from billing_cli.main import main as run

    if heeded:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
