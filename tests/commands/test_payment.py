"""``billing payment``: what comes in, where it goes, and what goes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.commands.support import session, take_in, written
from tests.commands.test_invoice_life import FEB, MARCH, billed, done, events, state

if TYPE_CHECKING:
    from tests.command_line import CommandLine, Invoke

REASON = ("--reason", "a test")
APRIL = "2025-04-01T06:00:00Z"


def two_months(run: CommandLine) -> None:
    """Two invoices of ann's: 1.68 for January and 0.70 for February."""
    billed(run)
    take_in(run, *session("2025-02-10T00:00:00Z", "2025-02-10T10:00:00Z", "s2"), at=MARCH)
    run("invoice", "generate", "--finalize", at=MARCH).ok()


def record(run: CommandLine, amount: str, *more: str, at: str = MARCH) -> list[str]:
    """Record a payment of ann's and return where it went."""
    row = done(run, "payment", "record", "--user", "ann", "--amount", amount, *more, at=at)
    return [row[key] for key in ("allocated", "credited", "status")]


def imported(run: CommandLine, *lines: str, at: str = MARCH) -> tuple[list[int], list[str]]:
    """Import a file and return what it counted, and its complaints."""
    written(run.work / "bank.csv", *lines)
    result = run("payment", "import", "bank.csv", "-o", "json", at=at)
    row = result.json()
    counts = [row[key] for key in ("recorded", "unmatched", "duplicate", "rejected")]
    assert result.exit_code == (5 if counts[3] else 0)
    return counts, [
        line.removeprefix("warning: ")
        for line in result.stderr.splitlines()
        if line.startswith("warning: ")
    ]


def test_the_oldest_due_is_paid_first(invoke: Invoke) -> None:
    two_months(invoke)
    assert record(invoke, "2.00") == ["2.00", "0.00", "succeeded"]
    assert [state(invoke, one)[1] for one in "12"] == ["1.68", "0.32"]
    assert record(invoke, "1.00") == ["0.38", "0.62", "succeeded"]
    assert record(invoke, "1.00", "--invoice", "1") == ["0.00", "1.00", "succeeded"]
    shown = done(invoke, "payment", "show", "1")
    assert [(one["invoice_number"], one["amount"]) for one in shown["allocations"]] == [
        ("INV-2025-000001", "1.68"),
        ("INV-2025-000002", "0.32"),
    ]
    invoke("db", "check").ok()


def test_invoices_are_paid_in_the_order_in_which_they_are_named(invoke: Invoke) -> None:
    two_months(invoke)
    record(invoke, "1.00", "--invoice", "INV-2025-000002", "--invoice", "1")
    assert [state(invoke, one)[1] for one in "12"] == ["0.30", "0.70"]


def test_a_failed_payment_settles_nothing(invoke: Invoke) -> None:
    billed(invoke)
    words = ("--invoice", "1", "--failed", "card declined")
    assert record(invoke, "1.68", *words, at=FEB) == ["0.00", "0.00", "failed"]
    assert state(invoke) == ("sent", "0.00", "1.68")
    assert events(invoke)[-1] == ("payment.failed", FEB)
    row = done(invoke, "payment", "list", "--status", "failed")
    assert (row["invoice_number"], row["reason"]) == ("INV-2025-000001", "card declined")


def test_a_bounced_payment_is_owed_again(invoke: Invoke) -> None:
    two_months(invoke)
    record(invoke, "5.00")
    reversed_ = done(invoke, "payment", "reverse", "1", *REASON, at=APRIL)
    assert [reversed_[key] for key in ("allocated", "credited", "status")] == [
        "0.00",
        "0.00",
        "reversed",
    ]
    # The due moments of both have passed, whether or not the job has run.
    assert [state(invoke, one)[0] for one in "12"] == ["overdue", "overdue"]
    told = events(invoke)[-3:]
    assert sorted(kind for kind, _ in told) == [
        "invoice.overdue",
        "invoice.overdue",
        "payment.failed",
    ]
    again = invoke("payment", "reverse", "1", *REASON, at=APRIL)
    assert (again.exit_code, again.stderr) == (
        4,
        (
            "error: payment 1 is reversed and cannot be reversed\n"
            "hint: only a succeeded payment can be\n"
        ),
    )
    assert record(invoke, "2.38", at=APRIL) == ["2.38", "0.00", "succeeded"]
    invoke("db", "check").ok()


def test_a_refund_takes_the_credit_first_and_leaves_invoices_paid(invoke: Invoke) -> None:
    two_months(invoke)
    record(invoke, "3.00")  # 0.62 more than is owed
    words = ("payment", "refund", "1", *REASON)
    done(invoke, *words, "--amount", "1.00", at=MARCH)
    assert done(invoke, "credits", "list") == []
    assert [state(invoke, one)[0] for one in "12"] == ["paid", "paid"]
    left = done(invoke, *words, at=MARCH)
    assert [left[key] for key in ("allocated", "credited", "refunded")] == ["2.38", "0.00", "3.00"]
    refunds = done(invoke, "payment", "show", "1")["refunds"]
    assert [(one["amount"], one["credit_note"]) for one in refunds] == [
        ("0.38", "CN-2025-000001"),
        ("0.62", None),
        ("1.30", "CN-2025-000002"),
        ("0.70", "CN-2025-000003"),
    ]
    refused = invoke(*words, at=MARCH)
    assert (refused.exit_code, refused.stderr.splitlines()[0]) == (
        4,
        "error: 0.00 USD of payment 1 can be given back",
    )
    assert invoke("payment", "reverse", "1", *REASON, at=MARCH).exit_code == 4
    invoke("db", "check").ok()


def test_a_refund_without_a_note_is_owed_again(invoke: Invoke) -> None:
    two_months(invoke)
    record(invoke, "2.38")
    words = ("payment", "refund", "1", *REASON, "--no-credit-note")
    done(invoke, *words, "--amount", "1.00", at=MARCH)
    assert [state(invoke, one) for one in "12"] == [
        ("overdue", "0.68", "1.00"),
        ("paid", "0.70", "0.00"),
    ]
    done(invoke, *words, at=MARCH)
    assert [state(invoke, one)[:2] for one in "12"] == [("overdue", "0.00"), ("sent", "0.00")]
    invoke("db", "check").ok()


def test_bank_transfers_are_taken_in_once(invoke: Invoke) -> None:
    two_months(invoke)
    lines = (
        "Booking Date,AMOUNT,Description,Payer,Currency,Transaction_ID",
        '2025-02-20,1.68,"Invoice inv2025000001, thanks",Ann Lee,usd,T1',
        "2025-02-21,1.00,INV 2025 000002 and more,Ann Lee,,T2",
        "2025-02-22,9.99,INV-2025-000009,Bob,USD,T3",
        "2025-02-23,8.00,=HYPERLINK(1),Bob,USD,T4",
    )
    assert imported(invoke, *lines) == ([2, 2, 0, 0], [])
    assert imported(invoke, *lines) == ([0, 0, 4, 0], [])
    first = done(invoke, "payment", "show", "1")
    assert [first[key] for key in ("method", "reference", "external_id", "received_at")] == [
        "bank_transfer",
        "Invoice inv2025000001, thanks Ann Lee",
        "bank:T1",
        "2025-02-20T00:00:00Z",
    ]
    assert done(invoke, "invoice", "show", "1")["paid_at"] == "2025-02-20T00:00:00Z"
    second = done(invoke, "payment", "show", "2")
    assert (second["allocated"], second["credited"]) == ("0.70", "0.30")
    unmatched = done(invoke, "payment", "list", "--unmatched")
    assert [row["reason"] for row in unmatched] == [
        "there is no invoice INV-2025-000009",
        "it names no invoice",
    ]
    invoke("db", "check").ok()


def test_the_same_row_twice_in_a_file_is_two_payments(invoke: Invoke) -> None:
    billed(invoke)
    row = "2025-02-20;0,50;INV-2025-000001"
    header = "date;amount;text"
    assert imported(invoke, header, row, row) == ([2, 0, 0, 0], [])
    assert imported(invoke, header, row, row, row) == ([1, 0, 2, 0], [])
    assert state(invoke)[1] == "1.50"


def test_an_unmatched_payment_finds_its_owner(invoke: Invoke) -> None:
    two_months(invoke)
    header = "date,amount,reference"
    imported(invoke, header, "2025-02-20,1.00,hello", "2025-02-20,9.00,hello", "2025-02-20,5,hi")
    refused = invoke("payment", "reverse", "1", *REASON, at=MARCH)
    assert (refused.exit_code, refused.stderr) == (
        4,
        (
            "error: payment 1 is unmatched and cannot be reversed\n"
            "hint: say whose it is first: billing payment match 1 --user USER\n"
        ),
    )
    done(invoke, "payment", "refund", "1", *REASON, "--amount", "0.40", at=MARCH)
    row = done(invoke, "payment", "match", "1", "--user", "ann", at=MARCH)
    assert [row[key] for key in ("allocated", "refunded", "status")] == [
        "0.60",
        "0.40",
        "succeeded",
    ]
    row = done(invoke, "payment", "match", "2", "--invoice", "2", at=MARCH)
    assert [row[key] for key in ("user_id", "allocated", "credited")] == ["ann", "0.70", "8.30"]
    again = invoke("payment", "match", "2", "--user", "ann", at=MARCH)
    assert (again.exit_code, again.stderr.splitlines()[0]) == (
        4,
        "error: payment 2 is succeeded, not unmatched",
    )
    done(invoke, "payment", "refund", "3", *REASON, at=MARCH)
    assert invoke("payment", "match", "3", "--user", "ann", at=MARCH).exit_code == 4
    invoke("db", "check").ok()


def test_invoices_that_cannot_be_paid_leave_a_transfer_unmatched(sqlite_invoke: Invoke) -> None:
    more = session("2025-01-10T00:00:00Z", "2025-01-11T00:00:00Z", "s2", "bob")
    billed(sqlite_invoke, *more)
    sqlite_invoke("invoice", "void", "1", *REASON, at=FEB).ok()
    lines = (
        "date,amount,reference",
        "2025-02-20,1.00,INV-2025-000001",
        "2025-02-20,1.00,INV-2025-000001 INV-2025-000002",
    )
    assert imported(sqlite_invoke, *lines) == ([1, 1, 0, 0], [])
    assert done(sqlite_invoke, "payment", "show", "1")["reason"] == "INV-2025-000001 is void"
    assert state(sqlite_invoke, "2")[1] == "1.00"


def test_a_file_is_rehearsed(sqlite_invoke: Invoke) -> None:
    billed(sqlite_invoke)
    file = written(sqlite_invoke.work / "b.csv", "date,amount,text", "2025-02-20,1,INV-2025-000001")
    rehearsed = sqlite_invoke("payment", "import", "--dry-run", file, "-o", "json", at=MARCH).ok()
    assert rehearsed.json()["recorded"] == 1
    assert done(sqlite_invoke, "payment", "list") == []
    piped = sqlite_invoke("payment", "import", "-", at=MARCH, stdin=file.read_bytes()).ok()
    assert "Recorded:  1" in piped.stdout


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2025-02-20,-1.00,x,,",
         "'-1.00' is not above zero: only money that comes in is a payment"),
        ("2025-02-20,0,x,,", "'0' is not above zero: only money that comes in is a payment"),
        ("2025-02-20,1.00,x,EUR,", "it is in 'EUR', not in USD"),
        ("02/20/2025,1.00,x,,", "'02/20/2025' is not a date such as 2025-01-31 or 31.01.2025"),
        ("2025-02-30,1.00,x,,", "'2025-02-30' is not a date such as 2025-01-31 or 31.01.2025"),
        ("2025-03-02,1.00,x,,", "2025-03-02 is still to come"),
        ("9999-12-31,1.00,x,,", "9999-12-31 is still to come"),
        ("2025-02-20,1.234,x,,",
         "'1.234' can be read in two ways: write it without marks between thousands"),
        ("2025-02-20,=1+1,x,,",
         "'=1+1' is not an amount: expected digits such as 12.50"),
        ("2025-02-20,1.00,x,", "the header has 5 cells, the row 4"),
        ("2025-02-20,1.00,\0,,", "it holds a NUL character"),
        ("2025-02-20,2.00,x,,T1", "the transaction 'T1' is there with another amount"),
        ('2025-02-20,1.00,"x,,', "the row is not readable as CSV: ',' expected after '\"'"),
    ],
)  # fmt: skip
def test_a_bad_row_never_stops_the_good_ones(sqlite_invoke: Invoke, row: str, reason: str) -> None:
    good = ["2025-02-20,1.00,INV-2025-000001,,T1", '20.02.2025,"1,00",y,USD,T2']
    header = "\ufeffdate,amount,reference,currency,id"
    billed(sqlite_invoke)
    found = imported(sqlite_invoke, header, good[0], row, good[1])
    assert found == ([1, 1, 0, 1], [f"bank.csv:3: {reason}"])


@pytest.mark.parametrize(
    ("text", "minor"),
    [("1,50", "1.50"), ("1.234,50", "1234.50"), ("1'234.50", "1234.50"), ("+2", "2.00"),
     ("1,234,567.8", "1234567.80"), ("12,5", "12.50")],
)  # fmt: skip
def test_amounts_are_read_as_banks_write_them(sqlite_invoke: Invoke, text: str, minor: str) -> None:
    imported(sqlite_invoke, "date;amount;text", f"2025-02-20;{text};x")
    assert done(sqlite_invoke, "payment", "show", "1")["amount"] == minor


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"\xff\xfed\0", "it is UTF-16: convert it to UTF-8 first"),
        (b"date,text\n", "the header names no column 'amount'"),
        (b"date,amount,text,TEXT\n", "two columns of the header are called 'text'"),
    ],
)
def test_a_file_that_is_none(sqlite_invoke: Invoke, content: bytes, reason: str) -> None:
    (sqlite_invoke.work / "bank.csv").write_bytes(content)
    result = sqlite_invoke("payment", "import", "bank.csv")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (5, f"warning: bank.csv: {reason}")


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["show", "9"], 3, "there is no payment 9"),
        (["import", "none.csv"], 3, "there is no file 'none.csv'"),
        (["record", "--user", "zoe", "--amount", "1"], 3, "there is no user 'zoe'"),
        (["record", "--user", "bob", "--amount", "1", "--invoice", "1"], 4,
         "invoice INV-2025-000001 is one of 'ann', not of 'bob'"),
        (["record", "--user", "ann", "--amount", "1", "--invoice", "1", "--invoice", "1"], 2,
         "--invoice names an invoice twice"),
        (["record", "--user", "ann", "--amount", "1", "--failed", " "], 2, "--failed is empty"),
        (["record", "--user", "ann", "--amount", "1", "--reference", "\udcff"], 2,
         "--reference is not UTF-8"),
        (["list", "--status", "odd"], 2, "--status: 'odd' is not a status"),
        (["list", "--unmatched", "--status", "failed"], 2, "--unmatched is a --status"),
        (["match", "1"], 2, "name an --invoice, or else a --user"),
        (["reverse", "1"], 2, "missing option '--reason'."),
        (["refund", "9", "--reason", "x"], 3, "there is no payment 9"),
    ],
)  # fmt: skip
def test_what_is_refused(
    sqlite_invoke: Invoke, arguments: list[str], code: int, error: str
) -> None:
    more = session("2025-01-10T00:00:00Z", "2025-01-11T00:00:00Z", "s2", "bob")
    billed(sqlite_invoke, *more)
    result = sqlite_invoke("payment", *arguments, at=FEB)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.splitlines()[0] == f"error: {error}"
    assert done(sqlite_invoke, "payment", "list") == []


def test_a_refund_of_a_part_takes_nothing_off_what_is_still_owed(sqlite_invoke: Invoke) -> None:
    billed(sqlite_invoke)
    record(sqlite_invoke, "1.00", "--invoice", "1", at=FEB)
    done(sqlite_invoke, "payment", "refund", "1", "--reason", "x", "--amount", "0.40", at=FEB)
    (note,) = done(sqlite_invoke, "invoice", "show", "1")["credit_notes"]
    assert (note["applied"], note["credited"], note["refunded"]) == ("0.00", "0.00", "0.40")
    assert state(sqlite_invoke) == ("sent", "1.00", "0.68")


def test_a_refund_gives_back_what_no_credit_note_has_given_yet(sqlite_invoke: Invoke) -> None:
    billed(sqlite_invoke)
    record(sqlite_invoke, "1.68", "--invoice", "1", at=FEB)
    note = ("invoice", "credit-note", "1", "--amount", "1.00", "--reason", "x")
    sqlite_invoke(*note, at=FEB).ok()
    assert done(sqlite_invoke, "payment", "refund", "1", "--reason", "x", at=FEB)["refunded"] == (
        "0.68"
    )


def test_a_payment_pays_the_invoices_of_one_user(sqlite_invoke: Invoke) -> None:
    billed(sqlite_invoke, *session("2025-01-10T00:00:00Z", "2025-01-11T00:00:00Z", "s2", "bob"))
    imported(sqlite_invoke, "date,amount,reference", "2025-02-20,1.00,hello")
    match = ("payment", "match", "1", "--invoice", "1", "--invoice", "2")
    assert sqlite_invoke(*match, at=FEB).exit_code == 4
    assert done(sqlite_invoke, "payment", "show", "1")["status"] == "unmatched"


def test_a_payment_that_is_reversed_when_the_invoice_is_due_leaves_it_overdue(
    sqlite_invoke: Invoke,
) -> None:
    billed(sqlite_invoke)
    due = done(sqlite_invoke, "invoice", "show", "1")["due_date"]
    record(sqlite_invoke, "1.68", "--invoice", "1", at=FEB)
    done(sqlite_invoke, "payment", "reverse", "1", "--reason", "x", at=due)
    shown = done(sqlite_invoke, "invoice", "show", "1")
    assert (shown["status"], shown["overdue_at"]) == ("overdue", due)
