"""``billing report`` and ``billing reports export``: options, messages and exit codes."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest

from tests.commands.support import session, take_in

if TYPE_CHECKING:
    from tests.command_line import Invoke

AT = "2025-02-05T00:00:00Z"


@pytest.fixture(name="invoiced")
def _invoiced(sqlite_invoke: Invoke) -> Invoke:
    """Ann's invoice for January is over 0.70 and due; Bob has none yet."""
    lines = session("2025-01-10T08:00:00Z", "2025-01-10T18:00:00Z")
    lines += session("2025-02-03T08:00:00Z", "2025-02-03T18:00:00Z", "s2", "bob")
    take_in(sqlite_invoke, *lines, at=AT)
    at = "2025-02-01T06:00:00Z"
    sqlite_invoke("invoice", "generate", "--finalize", at=at).ok()
    sqlite_invoke("meter", "run", at=AT).ok()
    return sqlite_invoke


def test_usage_is_of_the_running_period_by_default(invoiced: Invoke) -> None:
    rows = invoiced("report", "usage", "-o", "json", at=AT).ok().json()
    assert {row["user_id"] for row in rows} == {"bob"}
    assert sum(float(row["total_cost"]) for row in rows) == pytest.approx(0.7)
    everything = invoiced("report", "usage", "--from", "2025-01-01", "-o", "json", at=AT).ok()
    assert {row["user_id"] for row in everything.json()} == {"ann", "bob"}
    records = invoiced(
        *("report", "usage", "--to", "2025-01-31", "--group-by", "record", "-o", "csv"), at=AT
    ).ok()
    found = list(csv.DictReader(io.StringIO(records.stdout)))
    assert len(found) == 20
    assert found[0] | {"session_id": ""} == {
        "start_time": "2025-01-10T08:00:00Z",
        "end_time": "2025-01-10T09:00:00Z",
        "user_id": "ann",
        "session_id": "",
        "resource_type": "cpu",
        "kind": "usage",
        "quantity": "1.00",
        "unit": "core-hours",
        "unit_price": "0.05",
        "total_cost": "0.05",
        "currency": "USD",
    }


def test_a_report_as_a_table(invoiced: Invoke) -> None:
    shown = invoiced("report", "revenue", "--from", "2025-01-01", at=AT).ok()
    assert shown.stdout.splitlines()[2].split() == [
        *("Month", "Invoices", "Billed", "Voided", "Credited", "Collected", "Refunded"),
        *("Outstanding", "MRR", "New", "Reactivation", "Expansion", "Contraction", "Churn"),
        *("Subscribers", "Currency"),
    ]
    assert shown.stdout.splitlines()[-1].split()[:3] == ["Total", "1", "0.70"]
    nothing = invoiced("report", "payments", at=AT).ok()
    assert (nothing.stdout, nothing.stderr) == ("", "nothing to report\n")


def test_a_period_means_its_invoices_and_dates_mean_when_they_were_sent(invoiced: Invoke) -> None:
    def numbers(*words: str) -> list[str]:
        rows = invoiced("report", "invoices", *words, "-o", "json", at=AT).ok().json()
        return [row["invoice_number"] for row in rows]

    assert numbers("--period", "2025-01") == ["INV-2025-000001"]
    assert numbers("--period", "2025-02") == []
    assert numbers("--to", "2025-01-31") == []
    assert numbers("--from", "2025-02-01", "--to", "2025-02-01") == ["INV-2025-000001"]
    assert numbers("--user", "bob") == []
    assert numbers("--user", "bob", "--user", "ann") == ["INV-2025-000001"]


def test_aging_is_as_of_a_day(invoiced: Invoke) -> None:
    def aged(*words: str, at: str) -> list[dict[str, str]]:
        rows: list[dict[str, str]] = invoiced("report", "aging", *words, "-o", "json", at=at).json()
        return rows

    (row,) = aged(at=AT)
    assert (row["not_due"], row["days_0_30"], row["outstanding"]) == ("0.70", "0.00", "0.70")
    (row,) = aged(at="2025-06-30T00:00:00Z")
    assert (row["not_due"], row["days_over_90"]) == ("0.00", "0.70")
    (row,) = aged("--to", "2025-03-01", at="2025-06-30T00:00:00Z")
    assert row["days_0_30"] == "0.70"
    assert aged("--to", "2025-01-31", at=AT) == []


@pytest.mark.parametrize("alias", [("report", "invoices"), ("reports", "export", "invoices")])
def test_reports_go_into_files(invoiced: Invoke, alias: tuple[str, ...]) -> None:
    file = invoiced.work / "a.csv"
    assert invoiced(*alias, "--out", file, at=AT).ok().stdout == ""
    expected = invoiced("report", "invoices", "-o", "csv", at=AT).ok().stdout
    assert file.read_text() == expected
    invoiced(*alias, "--out", invoiced.work / "a.xlsx", at=AT).ok()
    assert (invoiced.work / "a.xlsx").read_bytes().startswith(b"PK")
    for fmt in ("beancount", "hledger", "focus"):
        words = (*alias, "--format", fmt)
        assert (
            invoiced(*words, at=AT).ok().stdout
            == invoiced("report", "ledger", "--format", fmt, at=AT).ok().stdout
        )


def test_the_alias_exports_usage_by_default(invoiced: Invoke) -> None:
    for words in ((), ("--group-by", "day"), ("--period", "2025-01", "--format", "json")):
        exported = invoiced("reports", "export", *words, at=AT).ok()
        assert exported == invoiced("report", "usage", *words, at=AT).ok()


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("usage", "--period", "2025-13"), 2, "is not a billing period"),
        (("usage", "--period", "2025-01", "--to", "2025-01-31"), 2, "cannot be combined"),
        (("usage", "--from", "2025-02-01", "--to", "2025-01-31"), 2, "is after --to"),
        (("usage", "--group-by", "moon"), 2, "moon"),
        (("tax", "--to", "yesterday"), 2, "is not a date"),
        (("aging", "--user", "nobody"), 3, "there is no user 'nobody'"),
        (("customers", "--plan", "gold"), 3, "there is no plan 'gold'"),
        (("invoices", "--out", "no/such/folder.csv"), 6, "cannot be written: No such file"),
        (("invoices", "--out", "x.pdf"), 2, "--out: no report is written as '.pdf'"),
        (("invoices", "--out", "."), 6, "cannot be written: Is a directory"),
    ],
)
def test_wrong_use(invoiced: Invoke, words: tuple[str, ...], code: int, text: str) -> None:
    result = invoiced("report", *words, at=AT)
    assert (result.exit_code, result.stdout) == (code, "")
    assert text in result.stderr
    assert "hint: " in result.stderr


def test_the_alias_knows_what_each_report_has(invoiced: Invoke) -> None:
    result = invoiced("reports", "export", "aging", "--group-by", "day", at=AT)
    assert result.exit_code == 2
    assert "it can be about user, invoice" in result.stderr


def test_an_empty_database_has_empty_reports(sqlite_invoke: Invoke) -> None:
    for name in ("invoices", "payments", "credits", "revenue", "aging", "customers", "tax"):
        assert sqlite_invoke("report", name, "-o", "json", at=AT).ok().json() == []
    for fmt in ("beancount", "hledger"):
        shown = sqlite_invoke("report", "ledger", "--format", fmt, at=AT).ok().stdout
        assert "USD" in shown
    assert (
        sqlite_invoke("report", "usage", "--group-by", "day", "-o", "json", at=AT).ok().json() == []
    )
