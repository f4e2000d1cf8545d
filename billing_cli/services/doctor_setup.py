"""The doctor's checks of what surrounds the data: configuration, secrets, files, clock, zone."""

from __future__ import annotations

import os
import stat
import zoneinfo
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from billing_cli.clock import Clock
from billing_cli.errors import BillingError
from billing_cli.pricing.instants import format_instant
from billing_cli.services.doctor_place import (
    FAILED,
    OK,
    SKIPPED,
    WARNING,
    Finding,
    counted,
)
from billing_cli.settings import ConfigurationError
from billing_cli.settings.database_url import has_password
from billing_cli.store.engine import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billing_cli.services.doctor_place import Place

_SHOWN: Final = 5
# Before this instant there was no such program: a clock that shows it was never set.
_WRITTEN: Final = 1_735_689_600
_OLD_ZONES_YEARS: Final = 2
_EXPOSED: Final = "can be read by other users"
_BY_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_WRITABLE_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


def configuration(place: Place) -> Finding:
    """Look for the config file, and everything that is wrong with it."""
    found = place.loaded
    if isinstance(found, ConfigurationError):
        problems = "; ".join(map(str, found.problems[:_SHOWN]))
        more = len(found.problems) - _SHOWN
        count = counted(len(found.problems), "problem", "problems")
        said = f"{count}: {problems}" + (f" and {more} more" if more > 0 else "")
        return Finding(FAILED, said, "mend them; billing config validate checks again")
    if isinstance(found, BillingError):
        return Finding(FAILED, found.message, found.hint)
    path = found.config_path
    where = "no config file: the defaults hold" if path is None else str(path)
    doubts = [warning for warning in found.warnings if _EXPOSED not in warning]
    if doubts:
        return Finding(WARNING, f"{where}; {'; '.join(doubts)}", "name the file with --config")
    if not found.values.enabled:
        return Finding(
            WARNING,
            f"{where}: billing is switched off, metering and jobs do nothing",
            'set "enabled" to true in the config file',
        )
    return Finding(OK, where)


def secrets(place: Place) -> Finding:
    """Look whether others can read a secret. Says where secrets are, never what they are."""
    settings = place.settings
    exposed = [warning for warning in settings.warnings if _EXPOSED in warning]
    if exposed:
        return Finding(FAILED, "; ".join(exposed), "change the modes, and the secrets")
    held = [
        f"{key} from {settings.sources[key]}"
        for key, value in (
            ("stripeSecretKey", settings.values.stripe_secret_key),
            ("stripeWebhookSecret", settings.values.stripe_webhook_secret),
        )
        if value is not None
    ]
    if has_password(settings.database_url):
        held.append(f"the database's password from {settings.sources['databaseUrl']}")
        if settings.sources["databaseUrl"] == "--database":
            return Finding(
                WARNING,
                "the database's password is on the command line, where other users see it",
                "put it into BILLING_DATABASE_URL or ~/.pgpass",
            )
    return Finding(OK, "; ".join(held) or "none are set")


def files(place: Place) -> Finding:
    """Look who may read and change the config file, the database and the log."""
    if os.name != "posix":
        return Finding(SKIPPED, "this system keeps permissions elsewhere")
    problems = list(_problems(place))
    if not problems:
        return Finding(OK, "nobody else can change the config file, or read the database")
    state = FAILED if any(state == FAILED for state, _ in problems) else WARNING
    advice = "make them private: chmod go= FILE; or run as the user whose files they are"
    return Finding(state, "; ".join(text for _, text in problems), advice)


def _problems(place: Place) -> Iterator[tuple[str, str]]:
    config = place.settings.config_path
    if config is not None and _mode(config) & _WRITABLE_BY_OTHERS:
        yield FAILED, f"{config} can be changed by others"
    # Where the program writes log lines to a file, that is named by an option.
    log = getattr(getattr(place.app, "log", None), "file", None)
    if log and _mode(Path(log)) & (stat.S_IROTH | _WRITABLE_BY_OTHERS):
        yield WARNING, f"the log {log} can be read or changed by others"
    url = parse_url(place.settings.database_url)
    if url.get_backend_name() != "sqlite":
        return
    database = Path(str(url.database))
    for path in (database, *(Path(f"{database}{end}") for end in ("-wal", "-shm"))):
        mode = _mode(path)
        if mode & _WRITABLE_BY_OTHERS:
            yield FAILED, f"{path} can be changed by others"
        elif mode & _BY_OTHERS:
            yield WARNING, f"{path} can be read by others"
        if mode and not os.access(path, os.R_OK | os.W_OK):
            yield FAILED, f"{path} cannot be read and written by this user"
    if database.parent.exists() and not os.access(database.parent, os.W_OK):
        yield FAILED, f"the folder {database.parent} cannot be written by this user"


def _mode(path: Path) -> int:
    """Return who may do what with a file; 0 for one that is not there."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0


def clock(place: Place) -> Finding:
    """Look whether the system's clock can be right."""
    system = Clock().now()
    said = f"the system's clock says {format_instant(system)}"
    if system < _WRITTEN:
        return Finding(FAILED, said, "set the clock: everything that is written gets its time")
    if place.app.at is not None:
        return Finding(OK, f"{said}; by --at it is now {format_instant(place.now)}")
    return Finding(OK, said)


def timezone(place: Place) -> Finding:
    """Look whether the billing time zone is known, and how old the data about zones are."""
    name = place.settings.values.timezone
    zone = zoneinfo.ZoneInfo(name)
    local = datetime.fromtimestamp(place.now, UTC).astimezone(zone)
    package = version("tzdata")
    system = next((path for path in zoneinfo.TZPATH if Path(path, "UTC").exists()), None)
    source = f"zones from {system}" if system else f"zones from the package tzdata {package}"
    said = f"{name}, where it is {local:%Y-%m-%d %H:%M}; {source}"
    year = datetime.fromtimestamp(Clock().now(), UTC).year
    if system is None and year - int(package.split(".", maxsplit=1)[0]) >= _OLD_ZONES_YEARS:
        return Finding(WARNING, said, "pip install --upgrade tzdata: rules of zones change")
    return Finding(OK, said)
