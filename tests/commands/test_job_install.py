"""``billing job install``: units and tables that systemd and cron take, and that hold no secret."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from billing_cli.services.job_units import (
    CRON,
    SERVICE,
    STANDARD,
    TIMER,
    cron_table,
    systemd_units,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.command_line import Invoke

DEPLOY: Final = Path(__file__).parent.parent.parent / "deploy"
NOTED: Final = "secrets such as STRIPE_SECRET_KEY go into"

needs_systemd: Final = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


# As it writes the files in deploy/, whose journal is to tell what was done.
DEPLOYED: Final = replace(STANDARD, options=("--log-format", "text"))


def analyze(*words: str | Path) -> str:
    """What systemd-analyze says; it must be content."""
    done = subprocess.run(
        ["systemd-analyze", "--no-pager", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "XDG_RUNTIME_DIR": tempfile.gettempdir()},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_what_is_deployed_is_what_the_program_writes() -> None:
    """Regenerate: ``python -m tests.commands.test_job_install``."""
    found = {path.name: path.read_text() for path in (DEPLOY / "systemd").iterdir()}
    assert found == systemd_units(DEPLOYED)
    assert (DEPLOY / "cron" / CRON).read_text() == cron_table(STANDARD, system=True)


@needs_systemd
def test_systemd_takes_the_units(sqlite_invoke: Invoke, tmp_path: Path) -> None:
    folder = tmp_path / "units with % and $HOME"
    sqlite_invoke.configure(currency="EUR")
    done = sqlite_invoke(
        "job", "install", "--systemd", "--into", folder, "--run-as", "root",
        "--textfile", tmp_path / "a b" / "billing.prom",
    ).ok()  # fmt: skip
    assert done.stdout == ""
    assert done.stderr.startswith(f"wrote {folder / SERVICE}\nwrote {folder / TIMER}\n")
    assert "enable --now billing-jobs.timer" in done.stderr
    assert analyze("verify", folder / SERVICE, folder / TIMER) == ""
    exposure = analyze("security", "--offline=yes", "--threshold=29", folder / SERVICE)
    found = re.search(r"exposure level for \S+ ([0-9.]+)", exposure)
    assert found
    assert float(found[1]) < 2
    calendar = re.search(r"^OnCalendar=(.+)$", (folder / TIMER).read_text(), re.MULTILINE)
    assert calendar
    assert "Normalized form: *-*-* *:00/5:00" in analyze("calendar", calendar[1])


@needs_systemd
def test_systemd_takes_the_units_of_a_user(sqlite_invoke: Invoke) -> None:
    folder = sqlite_invoke.work / "user"
    sqlite_invoke("job", "install", "--systemd", "--user", "--into", folder).ok()
    text = (folder / SERVICE).read_text()
    assert "User=" not in text
    assert analyze("--user", "verify", folder / SERVICE, folder / TIMER) == ""


def lines(text: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


def test_the_units_are_about_this_installation(sqlite_invoke: Invoke) -> None:
    config = sqlite_invoke.configure(currency="EUR")
    words = ("job", "install", "--systemd", "--print")
    log = sqlite_invoke.work / "log" / "b.log"
    shown = sqlite_invoke("--log-file", "log/b.log", "--log-format", "json", *words).ok()
    database = Path(sqlite_invoke.database.removeprefix("sqlite:///"))
    assert lines(shown.stdout, "Environment") == [
        f'"BILLING_CONFIG={config}"', f'"BILLING_DATABASE_URL=sqlite:///{database}"',
    ]  # fmt: skip
    assert lines(shown.stdout, "ReadWritePaths") == [f'"{database.parent}"', f'"{log.parent}"']
    assert lines(shown.stdout, "ExecStart")[0].endswith(
        f" --log-format json --log-file {log} job run --due --quiet"
    )
    assert NOTED in shown.stderr
    assert "has a /tmp of its own" in shown.stderr or not database.is_relative_to("/tmp")
    assert not (sqlite_invoke.work / "etc").exists()


def test_a_changed_file_is_not_overwritten(sqlite_invoke: Invoke) -> None:
    folder = sqlite_invoke.work / "cron.d"
    words = ("job", "install", "--cron", "--into", folder)
    assert sqlite_invoke(*words).ok().stderr.startswith(f"wrote {folder / CRON}\n")
    assert sqlite_invoke(*words).ok().stderr.startswith(f"{folder / CRON} is up to date\n")
    (folder / CRON).write_text("# mine\n")
    refused = sqlite_invoke(*words)
    assert refused.exit_code == 4
    assert refused.stderr.startswith(f"error: {folder / CRON} is there and says something else\n")
    assert (folder / CRON).read_text() == "# mine\n"
    assert sqlite_invoke(*words, "--print").ok().stdout.startswith(f"# {folder / CRON}\n")
    sqlite_invoke(*words, "--force").ok()
    assert (folder / CRON).stat().st_mode & 0o777 == 0o644
    assert [path.name for path in folder.iterdir()] == [CRON]


def test_force_unmasks_a_unit(sqlite_invoke: Invoke) -> None:
    folder = sqlite_invoke.work / "units"
    folder.mkdir()
    masked = folder / TIMER
    masked.symlink_to(os.devnull)
    words = ("job", "install", "--systemd", "--into", folder)
    assert sqlite_invoke(*words).exit_code == 4
    sqlite_invoke(*words, "--force").ok()
    assert not masked.is_symlink()
    assert "[Timer]" in masked.read_text()


def test_the_line_of_cron_runs_what_is_due(sqlite_invoke: Invoke, tmp_path: Path) -> None:
    """As cron would: its variables, its shell, its way with percent signs."""
    metrics = tmp_path / "50% off" / "billing.prom"
    metrics.parent.mkdir()
    folder = sqlite_invoke.work / "cron.d"
    sqlite_invoke("job", "install", "--cron", "--into", folder, "--textfile", metrics).ok()
    text = (folder / CRON).read_text()
    environ = dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE))
    jobs = re.findall(r"^\*/5 \* \* \* \*  billing  (.+)$", text, re.MULTILINE)
    assert len(jobs) == 2
    for job in jobs:
        command = job.replace(r"\%", "%")
        assert command.count("%") == job.count(r"\%")
        done = subprocess.run(
            ["/bin/sh", "-c", command], env=environ, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(sqlite_invoke("job", "history", "-o", "json").json()) == 3
    assert "billing_job_last_failed" in metrics.read_text()


def test_a_users_own_table_is_printed(
    sqlite_invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    shown = sqlite_invoke("job", "install", "--cron", "--user").ok()
    assert "crontab -e" in shown.stderr
    (job,) = (line for line in shown.stdout.splitlines() if line.startswith("*/5"))
    assert shlex.split(job)[5:7] == ["set", "-a;"]


def test_a_password_is_not_written(invoke_on: Callable[[str], Invoke]) -> None:
    url = "postgresql://billing:secret@db.example.com/billing"
    shown = invoke_on(url)("job", "install", "--systemd", "--print").ok()
    assert "secret@" not in shown.stdout + shown.stderr
    assert "put the line BILLING_DATABASE_URL=… into /etc/billing/environment" in shown.stderr
    assert lines(shown.stdout, "Environment") == []


def test_a_database_that_the_jobs_would_not_find_is_told(
    sqlite_invoke: Invoke, invoke_on: Callable[[str], Invoke], tmp_path: Path
) -> None:
    install = ("job", "install", "--systemd", "--print", "--run-as")
    own, other = os.geteuid(), next(user for user in pwd.getpwall() if user.pw_uid != os.geteuid())
    account = pwd.getpwuid(own).pw_name
    missing = tmp_path / "missing.db"
    told = invoke_on(f"sqlite:///{missing}")(*install, account).ok().stderr
    assert f"there is no database {missing} yet: the first run makes it\n" in told
    assert " database " not in sqlite_invoke(*install, account).ok().stderr
    file = sqlite_invoke.database.removeprefix("sqlite:///")
    assert (
        f"{file} belongs to another user: chown {other.pw_name}: {file}*\n"
        in sqlite_invoke(*install, other.pw_name).ok().stderr
    )


def test_what_sudo_starts_is_told_that_no_database_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "billing_cli", "job", "install", "--systemd", "--print"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
    )
    assert "no database is named: the jobs would work on " in done.stderr


def test_a_line_break_in_a_path_is_refused(sqlite_invoke: Invoke) -> None:
    found = sqlite_invoke("--log-file", "a\nExecStart=b", "job", "install", "--systemd", "--print")
    assert (found.exit_code, found.stdout) == (2, "")
    assert "a line break" in found.stderr


def main() -> None:
    """Write the files in deploy/."""
    for name, text in systemd_units(DEPLOYED).items():
        (DEPLOY / "systemd" / name).write_text(text)
    (DEPLOY / "cron" / CRON).write_text(cron_table(STANDARD, system=True))


if __name__ == "__main__":
    main()
