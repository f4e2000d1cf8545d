"""Having the jobs of this installation run by systemd or cron."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from billing_cli.errors import ConflictError, UnavailableError, UsageError
from billing_cli.gateway.whole_files import replacing
from billing_cli.services.job_units import (
    CRON,
    STATE,
    TIMER,
    Installation,
    cron_table,
    systemd_units,
)
from billing_cli.settings import mask_database_url
from billing_cli.store.engine import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from billing_cli.app import App

_MODE: Final = 0o644
_HINT: Final = "run this as root, or use --user"
_FIRST_PRINTABLE: Final = 0x20
_SYSTEM_UNITS: Final = Path("/etc/systemd/system")
_USER_UNITS: Final = Path(".config/systemd/user")
_SYSTEM_CRON: Final = Path("/etc/cron.d")
# What a service with a /tmp of its own does not see.
_HIDDEN: Final = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - named, not used


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be installed: for systemd or cron, for the system or a user.

    ``account`` runs the jobs of the system. ``folder`` takes the place of the usual one.
    """

    systemd: bool
    user: bool
    account: str
    folder: Path | None = None
    textfile: Path | None = None


@dataclass(slots=True)
class Plan:
    """Texts of files by their paths, and what is left to be done by hand."""

    files: dict[Path, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    for_table: bool = False
    """Whether the one file is none, but lines for a user's own cron table."""


def plan(app: App, wanted: Wanted) -> Plan:
    """Return what is to be written for this installation."""
    if wanted.user and os.name == "posix" and os.geteuid() == 0 and wanted.folder is None:
        raise UsageError("--user is for others than root", "leave it out to install for the system")
    found = _installation(app, wanted)
    for text in (*found.program, *found.options, *(value for _, value in found.variables)):
        if any(ord(character) < _FIRST_PRINTABLE for character in text):
            raise UsageError(
                "a path holds a line break or another control character, which no unit can",
                "move what it names",
            )
    result = Plan()
    if wanted.systemd:
        usual = Path.home() / _USER_UNITS if wanted.user else _SYSTEM_UNITS
        folder = wanted.folder or usual
        result.files = {folder / name: text for name, text in systemd_units(found).items()}
    else:
        result.for_table = wanted.user and wanted.folder is None
        file = (wanted.folder or _SYSTEM_CRON) / CRON
        result.files = {file: cron_table(found, system=not wanted.user)}
    result.notes += _notes(app, wanted, found)
    return result


def printed(found: Plan) -> Iterator[bytes]:
    """Yield the files as they are printed: each under its path, where there is one."""
    for file, text in found.files.items():
        yield (text if found.for_table else f"# {file}\n{text}\n").encode()


def write(files: Mapping[Path, str], *, force: bool) -> Iterator[str]:
    """Write files, and yield what was done with each; one that differs only with ``force``."""
    changed = [file for file, text in files.items() if _content(file) not in {None, text}]
    if changed and not force:
        raise ConflictError(
            f"{changed[0]} is there and says something else",
            "--print shows what would be written, --force replaces the file",
        )
    for file, text in files.items():
        if _content(file) == text:
            yield f"{file} is up to date"
            continue
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            if file.is_symlink() and file.is_char_device():
                # systemctl mask leaves a link to /dev/null, which would swallow the unit.
                file.unlink()
        except OSError as error:
            raise UnavailableError(
                f"cannot make room for {file}: {error.strerror}", _HINT
            ) from error
        with replacing(file, _HINT, _MODE) as new:
            new.write(text.encode())
        yield f"wrote {file}"


def _content(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UnavailableError(f"cannot read {file}: {error.strerror}", _HINT) from error


def _installation(app: App, wanted: Wanted) -> Installation:
    variables, writable = [], []
    if app.settings.config_path is not None:
        variables.append(("BILLING_CONFIG", str(app.settings.config_path.absolute())))
    url = parse_url(app.settings.database_url)
    if url.get_backend_name() == "sqlite":
        database = Path(str(url.database)).absolute()
        variables.append(("BILLING_DATABASE_URL", f"sqlite:///{database}"))
        if not wanted.user and database.parent != STATE:
            writable.append(database.parent)
    elif _is_public(app):
        variables.append(("BILLING_DATABASE_URL", app.settings.database_url))
    options = []
    log = app.log
    # The journal should tell what was done; cron mails whatever is printed.
    if wanted.systemd or log.on:
        options += ["--log-format", log.fmt.value]
    if log.file is not None:
        options += ["--log-file", str(Path(log.file).absolute())]
        writable.append(Path(log.file).absolute().parent)
    elif log.on and not wanted.systemd:
        raise UsageError("cron would mail the log", "name a --log-file")
    if log.verbose:
        options.append("--verbose")
    textfile = None if wanted.textfile is None else wanted.textfile.absolute()
    if textfile is not None:
        writable.append(textfile.parent)
    return Installation(
        program=_program(),
        variables=tuple(variables),
        environment_file=_environment_file(wanted),
        account=None if wanted.user else wanted.account,
        writable=() if wanted.user else tuple(dict.fromkeys(writable)),
        options=tuple(options),
        textfile=textfile,
    )


def _is_public(app: App) -> bool:
    """Whether the database's URL holds no password."""
    url = app.settings.database_url
    return mask_database_url(url) == url


def _environment_file(wanted: Wanted) -> Path:
    if wanted.user:
        return Path.home() / ".config" / "billing" / "environment"
    return Path("/etc/billing/environment")


def _program() -> tuple[str, ...]:
    """Return how this program was started, by absolute paths."""
    started = Path(sys.argv[0])
    if started.name != "__main__.py" and (found := shutil.which(sys.argv[0])):
        return (str(Path(found).absolute()),)
    return sys.executable, "-m", "billing_cli"


def _notes(app: App, wanted: Wanted, found: Installation) -> Iterator[str]:
    if not wanted.user:
        yield from _account_notes(wanted.account)
        yield from _database_notes(app, wanted.account)
    if not _is_public(app):
        yield (
            "the database's URL holds a password: put the line BILLING_DATABASE_URL=… into "
            f"{found.environment_file}"
        )
    if not wanted.user and wanted.systemd:
        hidden = [path for path in found.writable if any(path.is_relative_to(t) for t in _HIDDEN)]
        if hidden:
            yield f"the service has a /tmp of its own and does not see {hidden[0]}: move it"
    yield (
        f"secrets such as STRIPE_SECRET_KEY go into {found.environment_file}, a line NAME=VALUE "
        "each, readable for nobody else"
    )
    if wanted.systemd:
        user = "--user " if wanted.user else ""
        yield f"then: systemctl {user}daemon-reload && systemctl {user}enable --now {TIMER}"
        if wanted.user:
            yield "and, to have them run while you are not logged in: loginctl enable-linger"
    elif wanted.user and wanted.folder is None:
        yield "add these lines to your table with: crontab -e"
    else:
        yield "cron reads the file by itself"


def _uid(account: str) -> int | None:
    import pwd

    try:
        return pwd.getpwnam(account).pw_uid
    except KeyError:
        return None


def _account_notes(account: str) -> Iterator[str]:
    if _uid(account) is None:
        yield (
            f"there is no user {account!r} yet: useradd --system --home-dir {STATE} "
            f"--shell /usr/sbin/nologin {account}"
        )


def _database_notes(app: App, account: str) -> Iterator[str]:
    """Say where the jobs would not find the database that is meant.

    What ``sudo`` starts knows nothing of the variables of who started it.
    """
    if app.settings.sources["databaseUrl"] == "default":
        yield (
            f"no database is named: the jobs would work on {app.settings.shown_database_url}; "
            "name theirs with billing --database URL job install"
        )
        return
    url = parse_url(app.settings.database_url)
    if url.get_backend_name() != "sqlite":
        return
    database = Path(str(url.database)).absolute()
    try:
        owner = database.stat().st_uid
    except OSError:
        yield f"there is no database {database} yet: the first run makes it"
        return
    if owner != _uid(account):
        yield f"{database} belongs to another user: chown {account}: {database}*"
