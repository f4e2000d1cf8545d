"""The text of the files that have the jobs run by systemd or cron."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shlex import join, quote
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SERVICE: Final = "billing-jobs.service"
TIMER: Final = "billing-jobs.timer"
CRON: Final = "billing"
STATE: Final = Path("/var/lib/billing")
_HOMES: Final = (Path("/home"), Path("/root"), Path("/run/user"))

_TIMER: Final = """\
[Unit]
Description=Run the billing jobs that are due

[Timer]
# Which jobs are due, billing knows: this is only how often it looks.
OnCalendar=*:0/5
# After a time without power, look at once.
Persistent=true
RandomizedDelaySec=30
AccuracySec=10

[Install]
WantedBy=timers.target
"""
# What a process may be forbidden without being root: by itself, and for good.
_FOR_EVERYONE: Final = """\
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
"""
_FOR_SYSTEM: Final = """\
CapabilityBoundingSet=
AmbientCapabilities=
PrivateTmp=yes
PrivateDevices=yes
PrivateUsers=yes
DevicePolicy=closed
ProtectSystem=strict
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProcSubset=pid
RemoveIPC=yes
KeyringMode=private
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """What is to be run, by whom, and what it reads and writes.

    ``program`` is the command line without arguments. ``variables`` are for the environment and
    hold no secret; those are in ``environment_file``. ``account`` is None where the jobs run as
    the user who installs them. ``writable`` are the folders that are written to, besides the
    service's own. ``options`` are global options for all runs, ``textfile`` is for metrics.
    """

    program: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]
    environment_file: Path
    account: str | None = None
    writable: tuple[Path, ...] = ()
    options: tuple[str, ...] = ()
    textfile: Path | None = None

    @property
    def run(self) -> list[str]:
        """The command line that runs what is due."""
        return [*self.program, *self.options, "job", "run", "--due", "--quiet"]

    @property
    def measure(self) -> list[str] | None:
        """The command line that writes the metrics, if they are wanted."""
        if self.textfile is None:
            return None
        return [*self.program, "metrics", "--textfile", str(self.textfile)]

    @property
    def is_at_home(self) -> bool:
        """Whether something that is needed lies in a home folder."""
        paths = [Path(word) for word in self.program] + [Path(text) for _, text in self.variables]
        return any(
            path.is_relative_to(home) for path in (*paths, *self.writable) for home in _HOMES
        )


STANDARD: Final = Installation(
    program=("/usr/local/bin/billing",),
    variables=(
        ("BILLING_CONFIG", "/etc/billing/config.json"),
        ("BILLING_DATABASE_URL", f"sqlite:///{STATE}/billing.db"),
    ),
    environment_file=Path("/etc/billing/environment"),
    account="billing",
)
"""What the files in deploy/ are for."""


def systemd_units(found: Installation) -> dict[str, str]:
    """Return the units by their names."""
    return {SERVICE: "".join(f"{line}\n" for line in _service(found)), TIMER: _TIMER}


def _service(found: Installation) -> Iterator[str]:
    yield "[Unit]"
    yield "Description=Run the billing jobs that are due"
    if found.account is not None:
        yield "Wants=network-online.target"
        yield "After=network-online.target postgresql.service"
    yield ""
    yield "[Service]"
    yield "Type=oneshot"
    for name, value in found.variables:
        yield f"Environment={_unit_word(f'{name}={value}', always=True)}"
    yield "# Secrets, such as STRIPE_SECRET_KEY or PGPASSWORD, a line NAME=VALUE each; mode 600."
    yield f"EnvironmentFile=-{_unit_word(str(found.environment_file))}"
    yield f"ExecStart={_exec(found.run)}"
    if found.measure is not None:
        yield f"ExecStopPost=-{_exec(found.measure)}"
    yield "Nice=5"
    if found.account is not None:
        yield from _sandbox(found)
    yield _FOR_EVERYONE.rstrip("\n")


def _sandbox(found: Installation) -> Iterator[str]:
    yield f"User={found.account}"
    yield "StateDirectory=billing"
    yield "StateDirectoryMode=0700"
    yield "WorkingDirectory=%S/billing"
    yield _FOR_SYSTEM.rstrip("\n")
    yield f"ProtectHome={'read-only' if found.is_at_home else 'yes'}"
    for folder in found.writable:
        yield f"ReadWritePaths={_unit_word(str(folder), always=True)}"


def _exec(words: Sequence[str]) -> str:
    """Return a command line, in which a dollar would begin a variable."""
    return " ".join(_unit_word(word.replace("$", "$$")) for word in words)


def _unit_word(text: str, *, always: bool = False) -> str:
    """Return a word of a unit: percent signs begin specifiers, and white space ends words."""
    text = text.replace("%", "%%")
    if not always and not any(character.isspace() or character in "\"'\\;" for character in text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def cron_table(found: Installation, *, system: bool) -> str:
    """Return the lines for cron: with the account, for ``/etc/cron.d``, or for a user's table."""
    account = f"{found.account}  " if system else ""
    lines = [
        "# Run the billing jobs that are due: which they are, billing knows, this is how often it",
        "# looks. Nothing is printed, and so nothing mailed, unless something is wrong.",
    ]
    lines += [f"{name}={_cron_value(value)}" for name, value in found.variables]
    file = quote(str(found.environment_file))
    secrets = f"set -a; [ ! -r {file} ] || . {file}; "
    for words in filter(None, (found.run, found.measure)):
        # A bare percent sign would be the end of the line.
        line = (secrets + join(words)).replace("%", r"\%")
        lines.append(f"*/5 * * * *  {account}{line}")
    return "\n".join(lines) + "\n"


def _cron_value(text: str) -> str:
    return f'"{text}"' if any(character.isspace() for character in text) else text
