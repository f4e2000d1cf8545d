"""Where the secrets of sinks come from: the environment, or a file of their own.

They are looked up when a sink is to be told something, and not before: most commands tell nobody
anything, and whoever runs them need not be allowed to read secrets.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from billing_cli.errors import NotConfiguredError
from billing_cli.settings.finding import read_limited, reason_of, shown_path
from billing_cli.settings.sink_checks import variable_of
from billing_cli.settings.stripe_secrets import exposure

if TYPE_CHECKING:
    from billing_cli.settings.loading import Settings
    from billing_cli.settings.notifications import Sink


def sink_secret(settings: Settings, sink: Sink, warnings: list[str]) -> str | None:
    """Return the secret of a sink without line breaks at its end, None where none is given.

    Adds to ``warnings`` where others can read the file. Raises :class:`NotConfiguredError`, which
    repeats nothing of the secret, for a file that cannot be read.
    """
    text = os.environ.get(variable_of(sink.name))
    if text:
        return text
    if sink.secret_file is None:
        return None
    path = in_config_folder(settings, sink.secret_file)
    try:
        file = read_limited(path)
        text = file.content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise _unreadable(path, "it is not text") from None
    except (OSError, ValueError) as error:
        raise _unreadable(path, reason_of(error)) from None
    if file.exposed:
        warnings.append(exposure(path, "holds a secret"))
    return text or None


def in_config_folder(settings: Settings, reference: str) -> Path:
    """Return a path that the config file names: a relative one starts at its folder."""
    try:
        path = Path(reference).expanduser()
    except RuntimeError:
        raise NotConfiguredError(f"{reference} names a home folder that cannot be found") from None
    return path if settings.config_path is None else settings.config_path.parent / path


def _unreadable(path: Path, why: str) -> NotConfiguredError:
    return NotConfiguredError(
        f"the secret in {shown_path(path)} cannot be read: {why}",
        "mend secretFile in the config file, or the file's permissions",
    )
