"""``billing invoice``: what usage is billed as, through everything that can happen to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.commands.support import event, lines_of, session, take_in, totals

if TYPE_CHECKING:
    from tests.command_line import CommandLine, Invoke

JANUARY = "2025-01"
FEB = "2025-02-01T06:00:00Z"
MARCH = "2025-03-01T06:00:00Z"
APRIL = "2025-04-01T06:00:00Z"

DAY = session("2025-01-10T00:00:00Z", "2025-01-11T00:00:00Z")
"""A day of one core and 2 GB: 1.20 and 0.48."""


def make(run: CommandLine, *arguments: str, at: str = FEB) -> list[str]:
    """Generate, and return the totals of what was made."""
    made = run("invoice", "generate", *arguments, "-o", "json", at=at).ok().json()
    return [row["total"] for row in made]


def test_from_draft_to_numbered(invoke: Invoke) -> None:
    assert invoke("invoice", "generate", at=FEB).ok().stderr == "nothing to invoice\n"
    take_in(invoke, *DAY, at=FEB)
    drafted = invoke("invoice", "generate", at=FEB).ok()
    assert drafted.stderr == ""
    assert drafted.stdout == (
        "  Id  Invoice number    User id    Period      Subtotal    Tax    Credits    Total  "
        "Currency    Status    Sent at    Due date\n"
        "----  ----------------  ---------  --------  ----------  -----  ---------  -------  "
        "----------  --------  ---------  ----------\n"
        "   1  -                 ann        2025-01         1.68   0.00       0.00     1.68  "
        "USD         draft     -          -\n"
    )
    take_in(invoke, *session("2025-01-20T00:00:00Z", "2025-01-20T10:00:00Z", "s2"), at=FEB)
    assert make(invoke) == ["2.38"]
    assert invoke("invoice", "list", "--status", "draft", "-o", "csv").stdout.count("\n") == 2
    assert invoke("invoice", "finalize", "1", at=FEB).ok().stdout == (
        "  Id  Invoice number    User id    Period      Subtotal    Tax    Credits    Total  "
        "Currency    Status    Sent at               Due date\n"
        "----  ----------------  ---------  --------  ----------  -----  ---------  -------  "
        "----------  --------  --------------------  --------------------\n"
        "   1  INV-2025-000001   ann        2025-01         2.38   0.00       0.00     2.38  "
        "USD         sent      2025-02-01T06:00:00Z  2025-02-15T06:00:00Z\n"
    )
    assert make(invoke, "--finalize") == []
    assert make(invoke, "--period", JANUARY, "--finalize") == []
    assert invoke("invoice", "show", "INV-2025-000001", at=FEB).ok().stdout == (
        """\
Id:             1
Invoice number: INV-2025-000001
User id:        ann
Period:         2025-01
Period start:   2025-01-01T00:00:00Z
Period end:     2025-02-01T00:00:00Z
Subtotal:       2.38
Tax:            0.00
Credits:        0.00
Total:          2.38
Currency:       USD
Status:         sent
Created at:     2025-02-01T06:00:00Z
Sent at:        2025-02-01T06:00:00Z
Due date:       2025-02-15T06:00:00Z

Lines

Description      Quantity  Unit          Unit price    Amount
-------------  ----------  ----------  ------------  --------
CPU                 34.00  core-hours          0.05      1.70
Memory              68.00  gb-hours            0.01      0.68
-------------  ----------  ----------  ------------  --------
Subtotal                                                 2.38
"""
    )
    assert invoke("invoice", "show", "1", "-o", "json").stdout == (
        invoke("invoice", "show", "INV-2025-000001", "-o", "json").stdout
    )


def test_a_rehearsal_keeps_nothing(invoke: Invoke) -> None:
    take_in(invoke, *DAY, at=FEB)
    rehearsed = invoke("invoice", "generate", "--finalize", "--dry-run", "-o", "json", at=FEB).ok()
    assert rehearsed.stderr == "nothing was kept: this was a rehearsal\n"
    assert rehearsed.json()[0]["invoice_number"] == "INV-2025-000001"
    assert totals(invoke) == []
    make(invoke)
    assert invoke("invoice", "finalize", "1", "--dry-run", at=FEB).ok().stdout != ""
    assert totals(invoke) == [(JANUARY, None, "1.68", "draft")]
    assert make(invoke, "--finalize") == ["1.68"]


def test_a_missed_month_is_caught_up_and_the_running_one_drafted(invoke: Invoke) -> None:
    take_in(invoke, event("created", "2025-01-31T00:00:00Z"), at=MARCH)
    assert make(invoke, "--finalize", at=MARCH) == ["1.68", "47.04"]
    result = invoke("invoice", "generate", "--period", "2025-03", "-o", "json", at=MARCH).ok()
    assert result.stderr == "2025-03 has not ended: its drafts are as of now\n"
    assert result.json()[0]["total"] == "0.42"
    assert totals(invoke) == [
        (JANUARY, "INV-2025-000001", "1.68", "sent"),
        ("2025-02", "INV-2025-000002", "47.04", "sent"),
        ("2025-03", None, "0.42", "draft"),
    ]
    assert totals(invoke, "--period", "2025-02", "--status", "sent", "--user", "ann") == [
        ("2025-02", "INV-2025-000002", "47.04", "sent")
    ]


def test_finalizing_a_period_takes_its_drafts_and_closes_it(invoke: Invoke) -> None:
    take_in(
        invoke,
        *DAY,
        *session("2025-01-10T00:00:00Z", "2025-01-11T00:00:00Z", "s2", "bob"),
        at=FEB,
    )
    make(invoke, "--user", "bob")
    finalized = invoke("invoice", "finalize", "--period", JANUARY, "-o", "json", at=FEB).ok()
    assert [(row["user_id"], row["total"]) for row in finalized.json()] == [("bob", "1.68")]
    again = invoke("invoice", "finalize", "--period", JANUARY, at=FEB).ok()
    assert again.stderr == "no drafts to finalize\n"


def test_numbers_are_in_byte_order_of_the_users(invoke: Invoke) -> None:
    users = ["éa", "b", "B", "a", "\U0001f600", "\uffff"]
    lines = [
        line
        for user in users
        for line in session("2025-01-10T00:00:00Z", "2025-01-11T00:00:00Z", f"s{user}", user)
    ]
    take_in(invoke, *lines, at=FEB)
    made = invoke("invoice", "generate", "--finalize", "-o", "json", at=FEB).ok().json()
    assert [(row["user_id"], row["invoice_number"]) for row in made] == [
        (user, f"INV-2025-{number:06}")
        for number, user in enumerate(["B", "a", "b", "éa", "\uffff", "\U0001f600"], 1)
    ]


def test_late_usage_is_billed_as_a_correction_that_names_its_period(invoke: Invoke) -> None:
    take_in(invoke, *DAY, at=FEB)
    make(invoke, "--finalize")
    late = session("2025-01-20T00:00:00Z", "2025-01-20T10:00:00Z", "s2")
    now = session("2025-02-03T00:00:00Z", "2025-02-03T01:00:00Z", "s3")
    take_in(invoke, *late, *now, at=MARCH)
    assert make(invoke, "--finalize", at=MARCH) == ["0.77"]
    assert lines_of(invoke, "2") == [
        ("CPU", "1.00", "0.05", "0.05"),
        ("Memory", "2.00", "0.01", "0.02"),
        ("CPU, correction for 2025-01", "10.00", "0.05", "0.50"),
        ("Memory, correction for 2025-01", "20.00", "0.01", "0.20"),
    ]
    assert make(invoke, "--finalize", at=MARCH) == []


SHORTER = event("terminated", "2025-01-10T10:00:00Z")
"""The day was ten hours: 0.98 too much was billed."""


def with_credit(run: CommandLine) -> None:
    """Bill a day, hear that it was shorter, and let the next invoice use some of the credit."""
    take_in(run, *DAY, at=FEB)
    make(run, "--finalize")
    take_in(run, SHORTER, at=MARCH)
    assert make(run, "--finalize", at=MARCH) == ["0.00"]
    take_in(run, *session("2025-03-10T00:00:00Z", "2025-03-10T05:00:00Z", "s3"), at=APRIL)
    assert make(run, "--finalize", at=APRIL) == ["0.00"]


def test_a_negative_invoice_leaves_a_credit_that_the_next_one_uses(invoke: Invoke) -> None:
    with_credit(invoke)
    assert lines_of(invoke, "2") == [
        ("CPU, correction for 2025-01", "-14.00", "0.05", "-0.70"),
        ("Memory, correction for 2025-01", "-28.00", "0.01", "-0.28"),
        ("Carried to credit", None, None, "0.98"),
    ]
    shown = invoke("invoice", "show", "3", "-o", "json").json()
    assert [shown[key] for key in ("subtotal", "credits", "total", "status", "paid_at")] == [
        "0.35",
        "0.35",
        "0.00",
        "paid",
        APRIL,
    ]
    take_in(invoke, *session("2025-04-10T00:00:00Z", "2025-04-11T00:00:00Z", "s4"), at=APRIL)
    # 0.63 of the credit are left.
    assert make(invoke, "--finalize", at="2025-05-01T00:00:00Z") == ["1.05"]


def test_a_spent_credit_holds_its_invoice(invoke: Invoke) -> None:
    with_credit(invoke)
    refused = invoke("invoice", "void", "2", "--reason", "a mistake", at=APRIL)
    assert refused.exit_code == 4
    assert refused.stderr == (
        "error: invoice INV-2025-000002 granted a credit that is already spent\n"
        "hint: void the invoices that spent it first\n"
    )
    invoke("invoice", "void", "3", "--reason", "a mistake", at=APRIL).ok()
    invoke("invoice", "void", "2", "--reason", "a mistake", at=APRIL).ok()
    # The credit is gone: what it would have paid is owed.
    assert make(invoke, "--period", "2025-03", "--finalize", at=APRIL) == ["0.35"]
    assert invoke("db", "check").exit_code == 0


def test_what_is_voided_is_billed_again_only_by_name(invoke: Invoke) -> None:
    take_in(invoke, *DAY, at=FEB)
    make(invoke, "--finalize")
    voided = invoke("invoice", "void", "1", "--reason", "Wrong [red]name", "-o", "json", at=FEB)
    assert voided.ok().json()[0]["status"] == "void"
    shown = invoke("invoice", "show", "1", "-o", "json").json()
    assert (shown["void_reason"], shown["voided_at"]) == ("Wrong [red]name", FEB)
    assert make(invoke, "--finalize", at=MARCH) == []
    assert make(invoke, "--period", JANUARY, "--finalize", at=MARCH) == ["1.68"]
    assert totals(invoke) == [
        (JANUARY, "INV-2025-000001", "1.68", "void"),
        (JANUARY, "INV-2025-000002", "1.68", "sent"),
    ]
    assert invoke("invoice", "show", "1", "-o", "json").json()["superseded_by"] == 2
    again = invoke("invoice", "void", "1", "--reason", "again", at=MARCH)
    assert again.exit_code == 4
    assert again.stderr == (
        "error: invoice INV-2025-000001 is void and cannot be voided\n"
        "hint: a void invoice stays void; generate --period bills its usage again\n"
    )


def test_what_is_written_off_is_never_billed(invoke: Invoke) -> None:
    take_in(invoke, *DAY, at=FEB)
    make(invoke, "--finalize")
    invoke("invoice", "void", "1", "--reason", "A gift", "--write-off", at=FEB).ok()
    assert make(invoke, "--period", JANUARY, "--finalize", at=MARCH) == []
    assert make(invoke, "--finalize", at=MARCH) == []
    assert invoke("invoice", "show", "1", "-o", "json").json()["written_off"] is True


def test_a_voided_draft_is_billed_again_only_by_name(invoke: Invoke) -> None:
    take_in(invoke, *DAY, at=FEB)
    make(invoke)
    invoke("invoice", "void", "1", "--reason", "Not yet", at=FEB).ok()
    assert totals(invoke) == [(JANUARY, None, "1.68", "void")]
    assert make(invoke, "--finalize") == []
    assert make(invoke, "--period", JANUARY, "--finalize") == ["1.68"]
    assert totals(invoke, "--status", "sent") == [(JANUARY, "INV-2025-000001", "1.68", "sent")]


def test_a_custom_range_is_no_longer_there_for_the_regular_invoice(invoke: Invoke) -> None:
    take_in(invoke, event("created", "2025-01-01T00:00:00Z"), at=FEB)
    assert make(invoke, "--from", "2025-01-10", "--to", "2025-01-11", "--finalize") == ["3.36"]
    assert make(invoke, "--from", "2025-01-10", "--to", "2025-01-11", "--finalize") == []
    # Of three days one is taken already.
    assert make(invoke, "--from", "2025-01-11", "--to", "2025-01-13", "--finalize") == ["3.36"]
    assert make(invoke, "--finalize") == ["45.36"]
    assert totals(invoke) == [
        (JANUARY, "INV-2025-000003", "45.36", "sent"),
        ("2025-01-10..2025-01-11", "INV-2025-000001", "3.36", "sent"),
        ("2025-01-11..2025-01-13", "INV-2025-000002", "3.36", "sent"),
    ]
    assert make(invoke, "--from", "2025-01-01", "--to", "2025-01-31", "--finalize") == []
    assert invoke("db", "check").exit_code == 0


def test_a_custom_draft_keeps_its_time_when_the_regular_invoice_comes_first(
    invoke: Invoke,
) -> None:
    take_in(invoke, event("created", "2025-01-01T00:00:00Z"), at=FEB)
    assert make(invoke, "--from", "2025-01-10", "--to", "2025-01-11") == ["3.36"]
    assert make(invoke, "--finalize") == ["48.72"]
    assert make(invoke, "--from", "2025-01-10", "--to", "2025-01-11") == ["3.36"]
    finalized = invoke("invoice", "finalize", "1", "-o", "json", at=FEB).ok().json()
    assert [row["total"] for row in finalized] == ["3.36"]


def test_a_voided_custom_invoice_can_be_billed_again(invoke: Invoke) -> None:
    take_in(invoke, event("created", "2025-01-01T00:00:00Z"), at=FEB)
    custom = ("--from", "2025-01-10", "--to", "2025-01-11", "--finalize")
    assert make(invoke, *custom) == ["3.36"]
    assert make(invoke, "--finalize") == ["48.72"]
    invoke("invoice", "void", "1", "--reason", "Wrong address", at=FEB).ok()
    assert make(invoke, "--finalize") == []
    assert make(invoke, *custom) == ["3.36"]
    assert make(invoke, *custom) == []


def test_tax_terms_and_prefix_come_from_the_settings(invoke: Invoke) -> None:
    invoke.configure(
        taxes=[{"id": "vat", "name": "VAT", "percent": "8.875", "default": True}],
        paymentTermsDays=30,
        invoicePrefix="ACME",
    )
    take_in(invoke, *DAY, at=FEB)
    make(invoke, "--finalize")
    shown = invoke("invoice", "show", "ACME-2025-000001", "-o", "json").ok().json()
    keys = ("subtotal", "tax", "total", "tax_name", "tax_percent", "sent_at", "due_date")
    assert [shown[key] for key in keys] == [
        "1.68",
        "0.15",
        "1.83",
        "VAT",
        "8.875",
        FEB,
        "2025-03-03T06:00:00Z",
    ]
    # What was billed too much comes back with its tax.
    take_in(invoke, SHORTER, at=MARCH)
    make(invoke, "--finalize", at=MARCH)
    assert lines_of(invoke, "2")[-1] == ("Carried to credit", None, None, "1.07")


@pytest.mark.parametrize(
    ("currency", "rates", "total"),
    [
        ("JPY", {"cpu_per_core_hour": 7, "memory_per_gb_hour": "1.51"}, "240"),
        ("KWD", {"cpu_per_core_hour": "0.0151", "memory_per_gb_hour": "0.003"}, "0.506"),
    ],
)
def test_amounts_have_the_digits_of_their_currency(
    invoke: Invoke, currency: str, rates: dict[str, object], total: str
) -> None:
    """Each line is rounded once: 168 + 72.48 yen, and 0.3624 + 0.144 dinars."""
    invoke.configure(currency=currency, computeRates=rates)
    take_in(invoke, *DAY, at=FEB)
    assert make(invoke, "--finalize") == [total]
    (row,) = invoke("invoice", "list", "-o", "json").json()
    assert row["currency"] == currency


def test_the_number_has_the_local_year(invoke: Invoke) -> None:
    invoke.configure(timezone="America/New_York")
    lines = [
        *session("2024-11-10T00:00:00Z", "2024-11-11T00:00:00Z"),
        *session("2024-12-10T00:00:00Z", "2024-12-11T00:00:00Z", "s2"),
    ]
    take_in(invoke, *lines, at="2025-01-01T04:59:59Z")
    make(invoke, "--period", "2024-11", "--finalize", at="2025-01-01T04:59:59Z")
    make(invoke, "--finalize", at="2025-01-01T05:00:00Z")
    assert totals(invoke) == [
        ("2024-11", "INV-2024-000001", "1.68", "sent"),
        ("2024-12", "INV-2025-000001", "1.68", "sent"),
    ]


ZONES = [
    ("America/New_York", 1, "2025-03", "2025-03-01T05:00:00Z", "2025-04-01T04:00:00Z", 743),
    ("America/New_York", 15, "2025-10", "2025-10-15T04:00:00Z", "2025-11-15T05:00:00Z", 745),
    ("Europe/London", 1, "2025-10", "2025-09-30T23:00:00Z", "2025-11-01T00:00:00Z", 745),
    ("Europe/London", 15, "2025-03", "2025-03-15T00:00:00Z", "2025-04-14T23:00:00Z", 743),
    ("Asia/Kolkata", 1, "2024-02", "2024-01-31T18:30:00Z", "2024-02-29T18:30:00Z", 696),
    ("Asia/Kolkata", 15, "2025-01", "2025-01-14T18:30:00Z", "2025-02-14T18:30:00Z", 744),
    # The clocks of Havana go back at one to midnight, and forward from midnight to one.
    ("America/Havana", 1, "2025-11", "2025-11-01T04:00:00Z", "2025-12-01T05:00:00Z", 721),
    ("America/Havana", 15, "2025-02", "2025-02-15T05:00:00Z", "2025-03-15T04:00:00Z", 671),
    # A Sunday the first with a midnight that happens twice: the earlier one counts.
    ("America/Havana", 1, "2020-11", "2020-11-01T04:00:00Z", "2020-12-01T05:00:00Z", 721),
]


@pytest.mark.parametrize(("zone", "day", "period", "start", "end", "hours"), ZONES)
def test_periods_are_of_local_months(
    sqlite_invoke: Invoke, zone: str, day: int, period: str, start: str, end: str, hours: int
) -> None:
    sqlite_invoke.configure(timezone=zone, invoiceDay=day)
    now = "2026-06-01T00:00:00Z"
    lines = [
        event("created", "2019-06-01T00:00:00Z", resources={"cpu": "1", "memory": "0"}),
        *session("2020-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "s2"),
    ]
    take_in(sqlite_invoke, lines[0], event("terminated", "2026-05-01T00:00:00Z"), at=now)
    made = sqlite_invoke("invoice", "generate", "--period", period, "-o", "json", at=now).ok()
    (row,) = made.json()
    assert (row["period_start"], row["period_end"]) == (start, end)
    assert lines_of(sqlite_invoke, "1")[0][1] == f"{hours}.00"


@pytest.mark.parametrize(
    ("arguments", "code", "error", "hint"),
    [
        (["show", "9"], 3, "there is no invoice '9'",
         "billing invoice list shows ids and numbers"),
        (["show", "INV-2025-000009"], 3, "there is no invoice 'INV-2025-000009'",
         "billing invoice list shows ids and numbers"),
        (["void", "9", "--reason", "x"], 3, "there is no invoice '9'",
         "billing invoice list shows ids and numbers"),
        (["void", "1", "--reason", " "], 2, "--reason is empty",
         "say why: it is kept with the invoice"),
        (["finalize", "1"], 4, "invoice INV-2025-000001 is sent: only a draft can be finalized",
         "a sent invoice can be voided"),
        (["finalize"], 2, "name drafts by their ids, or else a --period",
         "billing invoice list --status draft shows the ids"),
        (["finalize", "1", "--period", "2025-01"], 2,
         "name drafts by their ids, or else a --period",
         "billing invoice list --status draft shows the ids"),
        (["finalize", "--period", "2025-02"], 4,
         ("2025-02 ends at 2025-03-01T00:00:00Z: "
         "an invoice cannot be final before its period's end"),
         "leave --finalize out to make a draft"),
        (["generate", "--period", "2025-02", "--finalize"], 4,
         ("2025-02 ends at 2025-03-01T00:00:00Z: "
         "an invoice cannot be final before its period's end"),
         "leave --finalize out to make a draft"),
        (["generate", "--period", "2025-03"], 4, "2025-03 has not begun",
         "it begins at 2025-03-01T00:00:00Z"),
        (["generate", "--user", "x"], 3, "there is no user 'x'",
         "users appear with the first event that names them"),
        (["list", "--user", "x"], 3, "there is no user 'x'",
         "users appear with the first event that names them"),
        (["list", "--status", "gone"], 2, "--status: 'gone' is not a status",
         "use one of: draft, sent, paid, overdue, void"),
        (["void", "1"], 2, "missing option '--reason'.",
         "billing invoice void --help shows what there is"),
    ],
)  # fmt: skip
def test_what_is_refused(
    sqlite_invoke: Invoke, arguments: list[str], code: int, error: str, hint: str
) -> None:
    take_in(sqlite_invoke, *DAY, at=FEB)
    make(sqlite_invoke, "--finalize")
    before = totals(sqlite_invoke)
    result = sqlite_invoke("invoice", *arguments, at=FEB)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr == f"error: {error}\nhint: {hint}\n"
    assert totals(sqlite_invoke) == before
