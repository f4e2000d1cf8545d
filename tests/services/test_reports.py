"""Reports of half a year's books: each total is the one that the books themselves have."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from collections import defaultdict
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from beancount import loader

from billing_cli.pricing.money import exponent
from billing_cli.pricing.report_columns import GROUPS, columns_of
from tests.services.report_book import ANN, Book

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from beancount.core import data

    from tests.command_line import Invoke

AT = "2025-06-30T12:00:00Z"
FINAL = "billing_invoices WHERE status NOT IN ('draft', 'void')"


class Reader:
    """Reads the reports of a book."""

    def __init__(self, book: Book, invoke: Invoke) -> None:
        self.book, self.invoke = book, invoke
        invoke.configure(**book.world.config)

    def text(self, *words: str) -> str:
        return self.invoke("report", *words, at=AT).ok().stdout

    def rows(self, *words: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.text(*words, "-o", "json"))
        return found

    def total(self, column: str, *words: str) -> int:
        return sum(self.minor(row[column]) for row in self.rows(*words))

    def minor(self, text: str) -> int:
        return int(Decimal(text).scaleb(exponent(self.book.currency)))

    def sum(self, what: str, where: str) -> int:
        ((value,),) = self.book.rows(
            f"SELECT CAST(COALESCE(SUM({what}), 0) AS BIGINT) FROM {where}"
        )
        return int(value)


@pytest.fixture(name="reader", params=["USD", "JPY", "KWD"])
def _reader(
    request: pytest.FixtureRequest,
    sqlite_url: str,
    tmp_path: Path,
    invoke_on: Callable[[str], Invoke],
) -> Reader:
    return Reader(Book.kept(sqlite_url, tmp_path, request.param), invoke_on(sqlite_url))


def test_every_total_and_every_format(reader: Reader) -> None:
    """One book of each currency, made once: it is what takes the time."""
    check_sums(reader)
    check_revenue(reader)
    check_tax(reader)
    check_ledger(reader)
    check_focus(reader)


def check_sums(reader: Reader) -> None:
    due = reader.sum("total - amount_paid", f"{FINAL} AND status <> 'paid'")
    for group in ("user", "period", "month"):
        for column in ("subtotal", "tax", "credits", "total"):
            found = reader.total(column, "invoices", "--group-by", group)
            assert found == reader.sum(column, FINAL), (group, column)
        assert reader.total("amount_due", "invoices", "--group-by", group) == due
    everything = reader.total("total", "invoices", "--group-by", "status")
    assert (
        everything == reader.sum("total", "billing_invoices") == reader.total("total", "invoices")
    )
    for group in ("user", "invoice"):
        rows = reader.rows("aging", "--group-by", group)
        assert sum(reader.minor(row["outstanding"]) for row in rows) == due
        for row in rows:
            classes = [row["not_due"], *(row[name] for name in row if name.startswith("days_"))]
            amounts = [Decimal(c) for c in classes if not isinstance(c, int)]
            assert sum(amounts) == Decimal(row["outstanding"])
    for group in ("user", "method", "month"):
        came = "billing_payments WHERE status IN ('succeeded', 'unmatched')"
        assert reader.total("amount", "payments", "--group-by", group) == reader.sum("amount", came)
    for group in ("user", "source", "month"):
        rows = reader.rows("credits", "--group-by", group)
        for row in rows:
            parts = ("used", "remaining", "expired", "voided")
            assert sum(Decimal(row[part]) for part in parts) == Decimal(row["amount"])
        granted = sum(reader.minor(row["amount"]) for row in rows)
        assert granted == reader.sum("amount", "billing_credits")
    for group in ("user", "plan"):
        billed = reader.total("billed", "customers", "--group-by", group)
        assert billed == reader.sum("total", FINAL)
        assert reader.total("outstanding", "customers", "--group-by", group) == due
        remaining = reader.total("remaining", "credits")
        assert reader.total("credit_balance", "customers", "--group-by", group) == remaining > 0


def check_revenue(reader: Reader) -> None:
    rows = reader.rows("revenue")
    assert [row["month"] for row in rows] == [f"2025-0{month}" for month in range(1, 7)]
    cash = 0
    for row in rows:
        amounts = {name: reader.minor(row[name]) for name in ("billed", "subtotal", "tax")}
        credits = reader.minor(row["credits"])
        assert amounts["billed"] == amounts["subtotal"] + amounts["tax"] - credits
        cash += reader.minor(row["collected"]) - reader.minor(row["refunded"])
        if row["month"] in reader.book.balances:
            owed, in_hand = reader.book.balances[row["month"]]
            assert (reader.minor(row["outstanding"]), cash) == (owed, in_hand), row["month"]
    recurring = [0, *(reader.minor(row["mrr"]) for row in rows)]
    names = ("new", "reactivation", "expansion", "contraction", "churn")
    moves = [sum(reader.minor(row[name]) for name in names) for row in rows]
    assert [b - a for a, b in pairwise(recurring)] == moves
    assert [name for name in names if all(not Decimal(row[name]) for row in rows)] == [
        "contraction"
    ]
    for unit in ("quarter", "year"):
        found = reader.rows("revenue", "--group-by", unit)
        assert found[-1]["outstanding"] == rows[-1]["outstanding"]
        assert found[-1]["mrr"] == rows[-1]["mrr"]
        billed = sum(reader.minor(row["billed"]) for row in found)
        assert billed == sum(reader.minor(row["billed"]) for row in rows)
    for month, (owed, _) in reader.book.balances.items():
        last = {"2025-01": 31, "2025-02": 28, "2025-03": 31, "2025-04": 30, "2025-05": 31}[month]
        assert reader.total("outstanding", "aging", "--to", f"{month}-{last}") == owed


def check_tax(reader: Reader) -> None:
    taxed = reader.sum("tax", FINAL) - reader.sum(
        "tax", "billing_credit_notes WHERE voided_at IS NULL"
    )
    for group in GROUPS["tax"]:
        assert reader.total("tax", "tax", "--group-by", group) == taxed, group


def check_ledger(reader: Reader) -> None:
    for more in ((), ("--from", "2025-03-01")):
        text = reader.text("ledger", "--format", "beancount", *more)
        entries, errors, _ = loader.load_string(text)
        assert errors == []
        books = [posting for one in entries for posting in getattr(one, "postings", ())]
        assert held(reader, books, "Assets:Receivable") == reader.total("outstanding", "aging")
        assert held(reader, books, "Liabilities:Credits") == -reader.total("remaining", "credits")
        assert held(reader, books, "Liabilities:Tax") == -reader.total("tax", "tax")
        nobodys = "billing_payments WHERE status = 'unmatched'"
        left = reader.sum("amount - refunded", nobodys)
        assert held(reader, books, "Liabilities:Payments") == -left < 0
        came = "billing_payments WHERE status IN ('succeeded', 'unmatched')"
        assert held(reader, books, "Assets:Cash") == reader.sum("amount - refunded", came)
    # What is asserted is checked: a cent too much is noticed.
    text = reader.text("ledger", "--format", "beancount")
    wrong = text.replace("balance Assets:Receivable  0", "balance Assets:Receivable  9", 1)
    assert loader.load_string(wrong)[1]
    accounts = reader.rows("ledger", "--group-by", "account")
    assert sum(reader.minor(row["balance"]) for row in accounts) == 0
    assert {row["account"] for row in accounts} >= {"Expenses:Write-Offs", "Income:Plans:Team-x"}


def held(reader: Reader, books: list[data.Posting], account: str) -> int:
    """What an account holds, with those below it."""
    mine = (p for p in books if p.account == account or p.account.startswith(f"{account}:"))
    return sum(reader.minor(str(posting.units).split()[0]) for posting in mine)


def check_focus(reader: Reader) -> None:
    rows = list(csv.DictReader(io.StringIO(reader.text("invoices", "--format", "focus"))))
    billed: dict[str, int] = defaultdict(int)
    for row in rows:
        billed[row["InvoiceId"]] += reader.minor(row["BilledCost"])
        check_charge(row)
    documents = reader.book.rows(
        f"SELECT invoice_number, total FROM {FINAL} UNION ALL "
        "SELECT number, -amount FROM billing_credit_notes WHERE voided_at IS NULL"
    )
    assert billed == dict(documents)
    categories = {row["ChargeCategory"] for row in rows}
    assert categories == {"Usage", "Purchase", "Tax", "Credit", "Adjustment"}
    assert {row["ChargeClass"] for row in rows} == {"", "Correction"}


def check_charge(row: dict[str, str]) -> None:
    """Rules of FOCUS 1.2 that hang on several columns."""
    category, is_correction = row["ChargeCategory"], row["ChargeClass"] == "Correction"
    priced = ("PricingQuantity", "PricingUnit", "ListUnitPrice", "SkuId", "SkuPriceId")
    if category in {"Usage", "Purchase"}:
        assert all(row[name] for name in priced)
        if not is_correction:
            assert row["PricingCategory"] == "Standard"
            cost = Decimal(row["PricingQuantity"]) * Decimal(row["ListUnitPrice"])
            assert cost == Decimal(row["ListCost"]) == Decimal(row["ContractedCost"])
            assert abs(cost - Decimal(row["BilledCost"])) <= Decimal("0.51")
    else:
        assert not any(row[name] for name in priced)
        assert row["ListCost"] == row["ContractedCost"] == row["EffectiveCost"] == row["BilledCost"]
    assert bool(row["ConsumedQuantity"]) == (category == "Usage")
    assert (row["ChargeFrequency"] == "Usage-Based") == (category == "Usage")
    for name in ("BilledCost", "ListCost", "EffectiveCost", "ContractedCost"):
        assert "." in row[name]
    assert row["ChargePeriodStart"] < row["ChargePeriodEnd"]


@pytest.mark.skipif(shutil.which("hledger") is None, reason="hledger is not installed")
def test_hledger_takes_the_ledger(
    sqlite_url: str, tmp_path: Path, invoke_on: Callable[[str], Invoke]
) -> None:
    reader = Reader(Book.kept(sqlite_url, tmp_path), invoke_on(sqlite_url))
    check = ["hledger", "-f", "-", "check", "--strict", "ordereddates"]
    text = reader.text("ledger", "--format", "hledger")
    wrong = text.replace("Assets:Receivable  0.00 USD =* 1", "Assets:Receivable  0.00 USD =* 2", 1)
    for words, ends in ((text, 0), (wrong, 1)):
        done = subprocess.run(
            check, input=words, capture_output=True, text=True, env={"LANG": "C.UTF-8"}, check=False
        )
        assert done.returncode == ends, done.stderr


@pytest.mark.skipif(
    shutil.which("focus-validator") is None, reason="focus-validator is not installed"
)
def test_the_validator_of_focus_takes_the_charges(
    sqlite_url: str, tmp_path: Path, invoke_on: Callable[[str], Invoke]
) -> None:
    reader = Reader(Book.kept(sqlite_url, tmp_path), invoke_on(sqlite_url))
    (tmp_path / "charges.csv").write_text(reader.text("invoices", "--format", "focus"))
    # It looks for a list of currencies below the working directory, which it would download.
    currencies = tmp_path / "focus_validator" / "utils" / "currency_codes.csv"
    currencies.parent.mkdir(parents=True)
    currencies.write_text(",currency_codes\n0,USD\n")
    done = subprocess.run(
        ["focus-validator", "--data-file", "charges.csv", "--validate-version", "1.0"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert "Validation succeeded." in done.stdout, done.stdout + done.stderr


def test_both_databases_give_the_same_bytes(
    sqlite_url: str, postgres_url: str, tmp_path: Path, invoke_on: Callable[[str], Invoke]
) -> None:
    found: list[dict[tuple[str, ...], str]] = []
    for url in (sqlite_url, postgres_url):
        reader = Reader(Book.kept(url, tmp_path), invoke_on(url))
        commands: list[tuple[str, ...]] = [
            (name, "--group-by", group) for name in GROUPS for group in GROUPS[name]
        ]
        commands += [("usage", "--period", "2025-01", "--group-by", g) for g in GROUPS["usage"]]
        commands += [("usage", "--from", "2025-01-01"), ("invoices", "--plan", "pro")]
        commands += [("ledger", "--user", ANN), ("revenue", "--plan", "year")]
        said: dict[tuple[str, ...], str] = {
            (*words, fmt): reader.text(*words, "-o", fmt)
            for words in commands
            for fmt in (("json", "csv") if words[0] != "ledger" else ("csv",))
        }
        for fmt in ("beancount", "hledger", "focus"):
            said[(fmt,)] = reader.text("ledger", "--format", fmt)
        found.append(said)
    sqlite, postgres = found
    for words, text in sqlite.items():
        assert postgres[words] == text, words
    for name, groups in GROUPS.items():
        for group in groups:
            head = sqlite[name, "--group-by", group, "csv"].partition("\n")[0]
            assert head == ",".join(field.name for field in columns_of(name, group))
