"""``billing doctor``: whatever is wrong gives a row and not an abort."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from billing_cli.services import doctor, job_status, sinks
from billing_cli.services.doctor_place import STATES, Need
from billing_cli.store import stripe_events, stripe_invoices
from billing_cli.store.engine import open_engine
from billing_cli.store.unit_of_work import UnitOfWork
from tests.commands.support import event, session, take_in

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.command_line import Invoke

ROOT: Final = Path(__file__).parent.parent.parent
NOW: Final = "2025-03-02T00:00:00Z"
SECRET: Final = "sk_test_51Abcdefghijk"


def examine(run: Invoke, code: int = 7, *, at: str | None = NOW, **environ: str) -> dict[str, Any]:
    """The rows of all checks, each of which is there whatever is wrong."""
    result = run("doctor", "-o", "json", at=at, environ=environ)
    rows = {row["check"]: row for row in result.json()}
    assert result.exit_code == code, (result.stderr, rows)
    assert list(rows) == [check.name for check in doctor.CHECKS]
    assert {row["state"] for row in rows.values()} <= set(STATES)
    for row in rows.values():
        assert row["advice"] or row["state"] in {"ok", "skipped"}, row
        assert "\n" not in row["found"]
    assert (code == 7) == any(row["state"] == "failed" for row in rows.values())
    return rows


def states(rows: dict[str, Any], *names: str) -> list[str]:
    return [rows[name]["state"] for name in names]


def change(run: Invoke, sql: str) -> None:
    with UnitOfWork(open_engine(run.database)) as uow, uow.batch() as tx:
        tx.execute(sql)


def test_a_healthy_installation(invoke: Invoke) -> None:
    assert examine(invoke, 0)["events"]["state"] == "warning"
    take_in(invoke, *session("2025-02-01T00:00:00Z", "2025-03-01T12:00:00Z"), at=NOW)
    invoke("invoice", "generate", "--finalize", at=NOW).ok()
    invoke("meter", "run", at=NOW).ok()
    if invoke.database.startswith("sqlite"):
        Path(invoke.database.removeprefix("sqlite:///")).chmod(0o600)
    rows = examine(invoke, 0)
    rest = {name: row for name, row in rows.items() if name != "jobs"}
    assert {row["state"] for row in rest.values()} == {"ok", "skipped"}
    assert states(rows, "notifications", "stripe", "stripe work") == ["ok", "skipped", "ok"]
    assert rows["metering"]["found"] == "metered until 2025-03-02T00:00:00Z"
    assert NOW in rows["clock"]["found"]


def test_work_that_stands_still(invoke: Invoke) -> None:
    """Usage that is not tracked, invoices that are not generated, payments that fail."""
    take_in(
        invoke,
        *session("2025-01-05T00:00:00Z", "2025-01-06T00:00:00Z"),
        event("created", "2025-01-10T00:00:00Z", "zombie"),
        *session("2025-02-20T00:00:00Z", "2025-02-19T00:00:00Z", "odd"),
        at="2025-02-25T00:00:00Z",
    )
    invoke("meter", "ingest", "-", stdin="nonsense\n", at=NOW)
    rows = examine(invoke)
    assert states(rows, "rejected", "metering") == ["warning", "failed"]
    assert (
        "1 session has events" in rows["metering"]["found"]
        or "nothing is metered" in (rows["metering"]["found"])
    )
    assert rows["invoices"]["state"] == "warning"
    assert examine(invoke, at="2025-03-20T00:00:00Z")["invoices"]["state"] == "failed"
    invoke("invoice", "generate", "--finalize", at=NOW).ok()
    invoke("quota", "set", "ann", "--cpu-limit", "8", at=NOW).ok()
    invoke("invoice", "pay", "INV-2025-000001", "--amount", "1.00", at=NOW).ok()
    invoke("payment", "reverse", "1", "--reason", "bounced", at=NOW).ok()
    invoke("payment", "record", "--amount", "5.00", "--user", "ann", at=NOW).ok()
    rows = examine(invoke, at="2025-03-20T00:00:00Z")
    assert states(rows, "sessions", "anomalies", "metering", "quotas", "overdue", "payments") == [
        "warning",
        "warning",
        "failed",
        "warning",
        "warning",
        "warning",
    ]
    assert "zombie" in rows["sessions"]["found"]
    assert rows["payments"]["found"].startswith("1 payment failed or bounced")
    invoke.configure(computeRates={"cpu_per_core_hour": "0.06"}, enabled=False)
    rows = examine(invoke, 0, at="2025-03-20T00:00:00Z")
    assert states(rows, "configuration", "settings") == ["warning", "warning"]
    assert "cpu_per_core_hour" in rows["settings"]["found"]
    assert states(rows, "metering", "quotas", "invoices") == ["skipped"] * 3


def test_a_damaged_database(invoke: Invoke) -> None:
    take_in(invoke, *session("2025-01-05T00:00:00Z", "2025-01-06T00:00:00Z"), at=NOW)
    invoke("invoice", "generate", "--finalize", at=NOW).ok()
    invoke("meter", "run", at=NOW).ok()
    change(invoke, "UPDATE billing_invoice_lines SET amount = amount + 1")
    rows = examine(invoke)
    assert states(rows, "integrity", "totals") == ["ok", "failed"]
    assert "do not add up to its subtotal" in rows["totals"]["found"]
    change(invoke, "DROP INDEX billing_credits_user")
    assert "billing_credits_user" in examine(invoke)["integrity"]["found"]
    for number, text in (("0001", "needs"), ("9999", "newer")):
        change(invoke, f"UPDATE billing_schema_version SET version_num = '{number}'")
        rows = examine(invoke)
        assert states(rows, "database", "schema", "totals", "metering") == [
            "ok",
            "failed",
            "skipped",
            "skipped",
        ]
        assert text in rows["schema"]["found"]
    change(invoke, "DROP TABLE billing_schema_version")
    assert "did not make" in examine(invoke)["schema"]["found"]


def test_a_database_that_cannot_be_used(
    invoke_on: Callable[[str], Invoke], empty_database_url: str, tmp_path: Path
) -> None:
    rows = examine(invoke_on(empty_database_url))
    broken = "database" if empty_database_url.startswith("sqlite") else "schema"
    assert rows[broken]["state"] == "failed"
    assert "billing init" in rows[broken]["advice"]
    # What is diagnosed is not made.
    assert not (tmp_path / "empty.db").exists()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    (tmp_path / "text.db").write_text("this is no database, but some text\n" * 100)
    (tmp_path / "folder.db").mkdir()
    for url, text in (
        (f"postgresql://u:hunter2@127.0.0.1:{port}/billing", "refused"),
        (f"sqlite:///{tmp_path}/text.db", "not a database"),
        (f"sqlite:///{tmp_path}/folder.db", "is a folder"),
        (f"sqlite:///{tmp_path}/none/here.db", "no database"),
    ):
        run = invoke_on(url)
        rows = examine(run)
        assert rows["database"]["state"] == "failed"
        assert text in rows["database"]["found"]
        assert states(rows, "schema", "totals", "jobs") == ["skipped"] * 3
        printed = run("doctor", at=NOW)
        assert "hunter2" not in printed.stdout + printed.stderr
        assert printed.stderr.startswith("error: 1 check failed: database\nhint: ")


def test_a_configuration_that_cannot_be_read(sqlite_invoke: Invoke) -> None:
    path = sqlite_invoke.configure(invoiceDay=31, timezone="Europe/Atlantis", colour="red")
    rows = examine(sqlite_invoke)
    assert rows["configuration"]["found"].startswith("3 problems: ")
    assert "colour: is not a known key" in rows["configuration"]["found"]
    assert {row["state"] for row in list(rows.values())[1:]} == {"ok", "skipped"}
    path.write_text("{")
    assert "configuration" in examine(sqlite_invoke)
    path.unlink()
    assert (
        "does not exist"
        in examine(sqlite_invoke, BILLING_CONFIG="no.json")["configuration"]["found"]
    )
    path.write_text("{}")
    assert examine(sqlite_invoke, 0)["configuration"]["found"] == "billing.json"


def test_permissions_and_secrets(sqlite_invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sqlite_invoke.configure(stripeEnabled=True)
    rows = examine(sqlite_invoke)
    assert rows["stripe"]["state"] == "failed"
    path.chmod(0o622)
    database = Path(sqlite_invoke.database.removeprefix("sqlite:///"))
    database.chmod(0o644)
    rows = examine(sqlite_invoke)
    assert rows["files"]["state"] == "failed"
    assert "billing.json can be changed by others" in rows["files"]["found"]
    assert f"{database} can be read by others" in rows["files"]["found"]
    database.chmod(0o600)
    path = sqlite_invoke.configure(stripeEnabled=True, stripeSecretKey=SECRET)
    path.chmod(0o644)
    rows = examine(sqlite_invoke)
    assert rows["secrets"]["state"] == "failed"
    assert "chmod 600" in rows["secrets"]["found"]
    assert (rows["stripe"]["state"], rows["stripe"]["found"]) == (
        "warning",
        "a secret key for test payments, no webhook secret",
    )
    path.chmod(0o600)

    def refuse(*_: object) -> None:
        raise AssertionError("the doctor opens no connection but the database's")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    live = {"STRIPE_SECRET_KEY": "rk_live_1", "STRIPE_WEBHOOK_SECRET": "whsec_1"}
    rows = examine(sqlite_invoke, 0, **live)
    assert rows["stripe"]["found"] == "a restricted key for live payments, and a webhook secret"
    assert "environment STRIPE_SECRET_KEY" in rows["secrets"]["found"]
    printed = sqlite_invoke("doctor", at=NOW, environ=live).stdout
    assert SECRET not in printed
    assert "rk_live_1" not in printed
    odd = examine(sqlite_invoke, STRIPE_SECRET_KEY="hello")
    assert odd["stripe"]["state"] == "failed"


def test_parts_that_an_installation_may_have(
    sqlite_invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = SimpleNamespace(rows=[1, 2], late=[], failed=[])
    rows_of_sinks = [{"sink": "mail", "dead": 0, "status": "active", "backlog": 3}]
    counts, held = {"failed": 0}, list[tuple[str, str, str]]()
    monkeypatch.setattr(job_status, "status", lambda _: status)
    monkeypatch.setattr(sinks, "overview", lambda _: rows_of_sinks)
    monkeypatch.setattr(stripe_events, "counts", lambda _: counts)
    monkeypatch.setattr(stripe_invoices, "problems", lambda _: held)
    rows = examine(sqlite_invoke, 0)
    assert [rows[name]["found"] for name in ("jobs", "notifications", "stripe work")] == [
        "2 jobs are on time",
        "1 sink, 3 events waiting",
        "no event failed, no invoice is held up",
    ]
    status.late, status.failed = ["calculate-usage (3 h)"], ["deliver"]
    rows_of_sinks[0] |= {"dead": 2, "status": "stopped"}
    counts["failed"] = 1
    held.append(("ann", "INV-1", "x"))
    rows = examine(sqlite_invoke)
    assert [rows[name]["found"] for name in ("jobs", "notifications", "stripe work")] == [
        "late: calculate-usage (3 h); failed: deliver",
        "given up: mail (2); stopped: mail",
        "1 event failed; 1 invoice is held up: INV-1",
    ]


def test_a_check_that_breaks_is_a_finding(
    sqlite_invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(_: object) -> None:
        raise KeyError("a secret")

    checks = (doctor.Check("odd", Need.NOTHING, break_off), *doctor.CHECKS)  # type: ignore[arg-type]  # on purpose
    monkeypatch.setattr(doctor, "CHECKS", checks)
    row = examine(sqlite_invoke)["odd"]
    assert (row["state"], row["found"]) == ("failed", "the check broke off with KeyError")


def test_the_page_names_every_check() -> None:
    text = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
    table = text.partition("\n## The checks\n")[2]
    named = re.findall(r"^\| `([a-z ]+)` \|", table, re.MULTILINE)
    assert named == [check.name for check in doctor.CHECKS]
