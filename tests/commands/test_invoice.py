"""``billing invoice``: what usage is billed as, through everything that can happen to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.commands.support import event, lines_of, made, session, take_in, totals

if TYPE_CHECKING:
    from tests.command_line import CommandLine, Invoke

JANUARY = "2025-01"
FEB = "2025-02-01T06:00:00Z"
MARCH = "2025-03-01T06:00:00Z"
APRIL = "2025-04-01T06:00:00Z"

DAY = session("2025-01-10T00:00:00Z", "2025-01-11T00:00:00Z")
"""A day of one core and 2 GB: 1.20 and 0.48."""


def test_from_draft_to_numbered(invoke: Invoke) -> None:
    assert invoke("invoice", "generate", at=FEB).ok().stderr == "nothing to invoice\n"
    take_in(invoke, *DAY, at=FEB)
    drafted = invoke("invoice", "generate", at=FEB).ok()
    assert drafted.stderr == ""
    assert drafted.stdout == (
        "  Id  Invoice number    User id    Period      Subtotal    Tax    Credits    Total    "
        "Amount due  Currency    Status    Sent at    Due date\n"
        "----  ----------------  ---------  --------  ----------  -----  ---------  -------  "
        "------------  ----------  --------  ---------  ----------\n"
        "   1  -                 ann        2025-01         1.68   0.00       0.00     1.68  "
        "        0.00  USD         draft     -          -\n"
    )
    take_in(invoke, *session("2025-01-20T00:00:00Z", "2025-01-20T10:00:00Z", "s2"), at=FEB)
    assert made(invoke) == ["2.38"]
    assert invoke("invoice", "list", "--status", "draft", "-o", "csv").stdout.count("\n") == 2
    assert invoke("invoice", "finalize", "1", at=FEB).ok().stdout == (
        "  Id  Invoice number    User id    Period      Subtotal    Tax    Credits    Total    "
        "Amount due  Currency    Status    Sent at               Due date\n"
        "----  ----------------  ---------  --------  ----------  -----  ---------  -------  "
        "------------  ----------  --------  --------------------  --------------------\n"
        "   1  INV-2025-000001   ann        2025-01         2.38   0.00       0.00     2.38  "
        "        2.38  USD         sent      2025-02-01T06:00:00Z  2025-02-15T06:00:00Z\n"
    )
    assert made(invoke, "--finalize") == []
    assert made(invoke, "--period", JANUARY, "--finalize") == []
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
Amount paid:    0.00
Amount due:     2.38
Currency:       USD
Status:         sent
Created at:     2025-02-01T06:00:00Z
Sent at:        2025-02-01T06:00:00Z
Due date:       2025-02-15T06:00:00Z

Lines

  Line  Description      Quantity  Unit          Unit price    Amount
------  -------------  ----------  ----------  ------------  --------
     1  CPU                 34.00  core-hours          0.05      1.70
     2  Memory              68.00  gb-hours            0.01      0.68
------  -------------  ----------  ----------  ------------  --------
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
    made(invoke)
    assert invoke("invoice", "finalize", "1", "--dry-run", at=FEB).ok().stdout != ""
    assert totals(invoke) == [(JANUARY, None, "1.68", "draft")]
    assert made(invoke, "--finalize") == ["1.68"]


def test_a_missed_month_is_caught_up_and_the_running_one_drafted(invoke: Invoke) -> None:
    take_in(invoke, event("created", "2025-01-31T00:00:00Z"), at=MARCH)
    assert made(invoke, "--finalize", at=MARCH) == ["1.68", "47.04"]
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
    made(invoke, "--user", "bob")
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
    made(invoke, "--finalize")
    late = session("2025-01-20T00:00:00Z", "2025-01-20T10:00:00Z", "s2")
    now = session("2025-02-03T00:00:00Z", "2025-02-03T01:00:00Z", "s3")
    take_in(invoke, *late, *now, at=MARCH)
    assert made(invoke, "--finalize", at=MARCH) == ["0.77"]
    assert lines_of(invoke, "2") == [
        ("CPU", "1.00", "0.05", "0.05"),
        ("Memory", "2.00", "0.01", "0.02"),
        ("CPU, correction for 2025-01", "10.00", "0.05", "0.50"),
        ("Memory, correction for 2025-01", "20.00", "0.01", "0.20"),
    ]
    assert made(invoke, "--finalize", at=MARCH) == []


def test_a_correction_on_a_draft_outlives_a_later_invoice(invoke: Invoke) -> None:
    take_in(invoke, *DAY, at=FEB)
    made(invoke, "--finalize")
    late = session("2025-01-20T00:00:00Z", "2025-01-20T10:00:00Z", "s2")
    later = [session(f"2025-0{n}-03T00:00:00Z", f"2025-0{n}-03T01:00:00Z", f"m{n}") for n in (2, 3)]
    take_in(invoke, *late, *later[0], *later[1], at=APRIL)
    assert made(invoke, "--period", "2025-02", at=APRIL) == ["0.77"]
    assert made(invoke, "--period", "2025-03", "--finalize", at=APRIL) == ["0.07"]
    assert made(invoke, "--finalize", at=APRIL) == ["0.77"]
    assert made(invoke, "--finalize", at=APRIL) == []


SHORTER = event("terminated", "2025-01-10T10:00:00Z")
"""The day was ten hours: 0.98 too much was billed."""


def with_credit(run: CommandLine) -> None:
    """Bill a day, hear that it was shorter, and let the next invoice use some of the credit."""
    take_in(run, *DAY, at=FEB)
    made(run, "--finalize")
    take_in(run, SHORTER, at=MARCH)
    assert made(run, "--finalize", at=MARCH) == ["0.00"]
    take_in(run, *session("2025-03-10T00:00:00Z", "2025-03-10T05:00:00Z", "s3"), at=APRIL)
    assert made(run, "--finalize", at=APRIL) == ["0.00"]


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
    assert made(invoke, "--finalize", at="2025-05-01T00:00:00Z") == ["1.05"]


def test_a_spent_credit_holds_its_invoice(invoke: Invoke) -> None:
    with_credit(invoke)
    refused = invoke("invoice", "void", "2", "--reason", "a mistake", at=APRIL)
    assert refused.exit_code == 4
    assert refused.stderr == (
        "error: invoice INV-2025-000002 granted a credit that is already spent on "
        "INV-2025-000003\n"
        "hint: void INV-2025-000003 first\n"
    )
    invoke("invoice", "void", "3", "--reason", "a mistake", at=APRIL).ok()
    invoke("invoice", "void", "2", "--reason", "a mistake", at=APRIL).ok()
    # The credit is gone: what it would have paid is owed.
    assert made(invoke, "--period", "2025-03", "--finalize", at=APRIL) == ["0.35"]
    assert invoke("db", "check").exit_code == 0


def test_what_is_voided_is_billed_again_only_by_name(invoke: Invoke) -> None:
    take_in(invoke, *DAY, at=FEB)
    made(invoke, "--finalize")
    voided = invoke("invoice", "void", "1", "--reason", "Wrong [red]name", "-o", "json", at=FEB)
    assert voided.ok().json()[0]["status"] == "void"
    shown = invoke("invoice", "show", "1", "-o", "json").json()
    assert (shown["void_reason"], shown["voided_at"]) == ("Wrong [red]name", FEB)
    assert made(invoke, "--finalize", at=MARCH) == []
    assert made(invoke, "--period", JANUARY, "--finalize", at=MARCH) == ["1.68"]
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
    made(invoke, "--finalize")
    invoke("invoice", "void", "1", "--reason", "A gift", "--write-off", at=FEB).ok()
    assert made(invoke, "--period", JANUARY, "--finalize", at=MARCH) == []
    assert made(invoke, "--finalize", at=MARCH) == []
    assert invoke("invoice", "show", "1", "-o", "json").json()["written_off"] is True


def test_a_voided_draft_is_billed_again_only_by_name(invoke: Invoke) -> None:
    take_in(invoke, *DAY, at=FEB)
    made(invoke)
    invoke("invoice", "void", "1", "--reason", "Not yet", at=FEB).ok()
    assert totals(invoke) == [(JANUARY, None, "1.68", "void")]
    assert made(invoke, "--finalize") == []
    assert made(invoke, "--period", JANUARY, "--finalize") == ["1.68"]
    assert totals(invoke, "--status", "sent") == [(JANUARY, "INV-2025-000001", "1.68", "sent")]


def test_a_custom_range_is_no_longer_there_for_the_regular_invoice(invoke: Invoke) -> None:
    take_in(invoke, event("created", "2025-01-01T00:00:00Z"), at=FEB)
    assert made(invoke, "--from", "2025-01-10", "--to", "2025-01-11", "--finalize") == ["3.36"]
    assert made(invoke, "--from", "2025-01-10", "--to", "2025-01-11", "--finalize") == []
    # Of three days one is taken already.
    assert made(invoke, "--from", "2025-01-11", "--to", "2025-01-13", "--finalize") == ["3.36"]
    assert made(invoke, "--finalize") == ["45.36"]
    assert totals(invoke) == [
        (JANUARY, "INV-2025-000003", "45.36", "sent"),
        ("2025-01-10..2025-01-11", "INV-2025-000001", "3.36", "sent"),
        ("2025-01-11..2025-01-13", "INV-2025-000002", "3.36", "sent"),
    ]
    assert made(invoke, "--from", "2025-01-01", "--to", "2025-01-31", "--finalize") == []
    assert invoke("db", "check").exit_code == 0


def test_a_custom_range_leaves_a_regular_draft_that_is_there(invoke: Invoke) -> None:
    take_in(invoke, event("created", "2025-01-01T00:00:00Z"), at=FEB)
    assert made(invoke) == ["52.08"]
    assert made(invoke, "--from", "2025-01-10", "--to", "2025-01-11", "--finalize") == ["3.36"]
    assert totals(invoke) == [
        (JANUARY, None, "48.72", "draft"),
        ("2025-01-10..2025-01-11", "INV-2025-000001", "3.36", "sent"),
    ]


def test_a_custom_range_of_decades(invoke: Invoke) -> None:
    take_in(invoke, *DAY, at=FEB)
    assert made(invoke, "--from", "1970-01-01", "--to", "2025-01-31") == ["1.68"]


def test_a_custom_draft_keeps_its_time_when_the_regular_invoice_comes_first(
    invoke: Invoke,
) -> None:
    take_in(invoke, event("created", "2025-01-01T00:00:00Z"), at=FEB)
    assert made(invoke, "--from", "2025-01-10", "--to", "2025-01-11") == ["3.36"]
    assert made(invoke, "--finalize") == ["48.72"]
    assert made(invoke, "--from", "2025-01-10", "--to", "2025-01-11") == ["3.36"]
    finalized = invoke("invoice", "finalize", "1", "-o", "json", at=FEB).ok().json()
    assert [row["total"] for row in finalized] == ["3.36"]


def test_a_voided_running_range_is_billed_once(invoke: Invoke) -> None:
    forty_days = session("2025-01-01T00:00:00Z", "2025-02-10T00:00:00Z")
    take_in(invoke, *forty_days, at=APRIL)
    custom = ("--from", "2025-01-15", "--to", "2025-02-03")
    assert made(invoke, *custom, at="2025-01-20T00:00:00Z") == ["8.40"]
    invoke("invoice", "void", "1", "--reason", "Too early", at=MARCH).ok()
    # February has what the draft did not hold, as late usage.
    assert made(invoke, "--finalize", at=MARCH) == ["23.52", "35.28"]
    for invoice in "45":
        assert made(invoke, *custom, "--finalize", at=MARCH) == ["8.40"]
        assert made(invoke, *custom, "--finalize", at=MARCH) == []
        if invoice == "4":
            invoke("invoice", "void", invoice, "--reason", "Wrong address", at=MARCH).ok()
    assert made(invoke, "--finalize", at=APRIL) == []


def test_a_voided_custom_invoice_can_be_billed_again(invoke: Invoke) -> None:
    take_in(invoke, event("created", "2025-01-01T00:00:00Z"), at=FEB)
    custom = ("--from", "2025-01-10", "--to", "2025-01-11", "--finalize")
    assert made(invoke, *custom) == ["3.36"]
    assert made(invoke, "--finalize") == ["48.72"]
    invoke("invoice", "void", "1", "--reason", "Wrong address", at=FEB).ok()
    assert made(invoke, "--finalize") == []
    assert made(invoke, *custom) == ["3.36"]
    assert made(invoke, *custom) == []


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
        (["finalize", "1"], 4, "invoice INV-2025-000001 is sent and cannot be finalized",
         "a sent invoice can be paid, credited, marked as overdue or voided"),
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
         "users appear with the first event that names them, or with billing user add"),
        (["list", "--user", "x"], 3, "there is no user 'x'",
         "users appear with the first event that names them, or with billing user add"),
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
    made(sqlite_invoke, "--finalize")
    before = totals(sqlite_invoke)
    result = sqlite_invoke("invoice", *arguments, at=FEB)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr == f"error: {error}\nhint: {hint}\n"
    assert totals(sqlite_invoke) == before
