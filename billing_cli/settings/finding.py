"""Where a config file is looked for, and how it and the secrets' files are read."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from billing_cli.errors import NotConfiguredError, NotFoundError
from billing_cli.pricing.excerpts import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

APP_NAME = "billing"
LOCAL_CONFIG = Path("billing.json")
SYSTEM_CONFIG = Path("/etc/billing/config.json")

_LARGEST_FILE = 1024 * 1024
_READABLE_BY_OTHERS = stat.S_IRGRP | stat.S_IROTH


@dataclass(frozen=True, slots=True)
class Content:
    """A file's bytes, and whether users other than its owner may read it."""

    path: Path
    content: bytes
    exposed: bool


def default_database_path() -> Path:
    """Return where the database is when nothing says otherwise: in the user's data folder."""
    return Path(platformdirs.user_data_dir(APP_NAME, appauthor=False)) / "billing.db"


def user_config_path() -> Path:
    """Return the config file in the user's config folder, whether there is one or not."""
    return Path(platformdirs.user_config_dir(APP_NAME, appauthor=False)) / "config.json"


def find_config(
    config: str | Path | None, environ: Mapping[str, str], warnings: list[str]
) -> Content | None:
    """Read the config file: the one that is named, or the first there is in the usual places.

    Returns ``None`` when none is named and none is there. A place whose folder may not be
    entered counts as empty, with a line added to ``warnings``. Raises :class:`NotFoundError`
    when a named file is missing, :class:`NotConfiguredError` when a file cannot be read.
    """
    named = named_config(config, environ)
    if named is not None:
        return _read_named(*named)
    for path in (LOCAL_CONFIG, user_config_path(), SYSTEM_CONFIG):
        try:
            path.stat()
        except PermissionError:
            # Usual under sudo and cron, where the working or home folder is another user's.
            warnings.append(f"{shown_path(path)} was not looked for: its folder may not be entered")
        except OSError:
            continue
        else:
            return _read(path)
    return None


def named_config(config: str | Path | None, environ: Mapping[str, str]) -> tuple[Path, str] | None:
    """Return the config file that is named and by what, whether there is one or not."""
    for named, origin in ((config, "--config"), (environ.get("BILLING_CONFIG"), "BILLING_CONFIG")):
        if named:
            path = Path(named)
            try:
                return path.expanduser(), origin
            except RuntimeError:
                raise NotFoundError(
                    f"{shown_path(path)} (from {origin}) names no home folder"
                ) from None
    return None


def _read_named(path: Path, origin: str) -> Content:
    try:
        return _read(path)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(
            f"the config file {shown_path(path)} (from {origin}) does not exist",
            "'billing init' writes one",
        ) from None


def _read(path: Path) -> Content:
    try:
        return read_limited(path)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except (OSError, ValueError) as error:
        raise NotConfiguredError(
            f"the config file {shown_path(path)} cannot be read: {reason_of(error)}",
            "mend it, or name another with --config",
        ) from None


def read_limited(path: Path) -> Content:
    """Read a small file whole; raises ``OSError``, or ``ValueError`` when it is too large."""
    with path.open("rb") as stream:
        content = stream.read(_LARGEST_FILE + 1)
        mode = os.fstat(stream.fileno()).st_mode
    if len(content) > _LARGEST_FILE:
        raise ValueError(f"it is larger than {_LARGEST_FILE:,} bytes")
    # Windows says who may read in access lists, which the mode does not show.
    exposed = os.name == "posix" and stat.S_ISREG(mode) and bool(mode & _READABLE_BY_OTHERS)
    return Content(path, content, exposed)


def reason_of(error: OSError | ValueError) -> str:
    """Return why a file could not be read, without its path."""
    text = error.strerror if isinstance(error, OSError) else str(error)
    return (text or type(error).__name__).lower()


def shown_path(path: Path) -> str:
    """Return the path as it can be shown: in quotes and escaped if it holds control characters."""
    text = str(path)
    return text if text.isprintable() else quoted(text, longest=4096)
