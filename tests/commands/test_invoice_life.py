"""``billing invoice pay``, ``void``, ``credit-note`` and ``mark-overdue``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.commands.support import made, session, take_in

if TYPE_CHECKING:
    from tests.command_line import CommandLine, Invoke

FEB = "2025-02-01T06:00:00Z"
DUE = "2025-02-15T06:00:00Z"
MARCH = "2025-03-01T06:00:00Z"
TAX = {"id": "vat", "name": "VAT", "percent": "23.33", "default": True}
"""One day of one core and 2 GB: 1.20 and 0.48."""
DAY = session("2025-01-10T00:00:00Z", "2025-01-11T00:00:00Z")


def billed(run: CommandLine, *more: str) -> None:
    """An invoice over 1.68, its lines 1.20 and 0.48."""
    take_in(run, *DAY, *more, at=FEB)
    made(run, "--finalize", at=FEB)


def done(run: CommandLine, *arguments: str, at: str = FEB) -> Any:
    """What a command says as JSON; of one row, that row."""
    found = run(*arguments, "-o", "json", at=at).ok().json()
    return found[0] if isinstance(found, list) and len(found) == 1 else found


def state(run: CommandLine, invoice: str = "1", at: str = FEB) -> tuple[str, str, str]:
    """Status, what is settled and what is owed of an invoice."""
    shown = done(run, "invoice", "show", invoice, at=at)
    return shown["status"], shown["amount_paid"], shown["amount_due"]


def events(run: CommandLine) -> list[tuple[str, str]]:
    """Type and moment of what was told, in the order in which it was written."""
    rows = run("events", "list", "-o", "json").ok().json()
    rows.sort(key=lambda row: int(row["id"].removeprefix("evt_")))
    return [(row["type"].removeprefix("billing."), row["occurred_at"]) for row in rows]


def test_paid_in_parts(invoke: Invoke) -> None:
    billed(invoke)
    part = done(invoke, "invoice", "pay", "1", "--amount", "1.00", "--received", FEB, at=MARCH)
    assert (part["status"], part["amount_due"], part["paid_at"]) == ("sent", "0.68", None)
    words = ("invoice", "pay", "INV-2025-000001", "--method", "cash", "--reference", "till 3")
    paid = done(invoke, *words, "--received", DUE, at=MARCH)
    assert (paid["status"], paid["amount_due"], paid["paid_at"]) == ("paid", "0.00", DUE)
    second = done(invoke, "payment", "list", "--invoice", "1")[1]
    assert [second[k] for k in ("amount", "method", "reference")] == ["0.68", "cash", "till 3"]
    told = [one for one in events(invoke) if not one[0].startswith("user.")]
    assert told[-3:] == [
        ("payment.received", FEB),
        ("invoice.paid", DUE),
        ("payment.received", DUE),
    ]
    invoke("db", "check").ok()


def test_what_is_more_than_owed_becomes_a_credit_of_the_next_invoice(invoke: Invoke) -> None:
    billed(invoke)
    done(invoke, "invoice", "pay", "1", "--amount", "2.00")
    take_in(invoke, *session("2025-02-10T00:00:00Z", "2025-02-11T00:00:00Z", "s2"), at=MARCH)
    assert made(invoke, "--finalize", at=MARCH) == ["1.36"]
    refused = invoke("payment", "reverse", "1", "--reason", "bounced", at=MARCH)
    assert refused.exit_code == 4
    assert refused.stderr == (
        "error: payment 1 granted a credit that is already spent on INV-2025-000002\n"
        "hint: void INV-2025-000002 first\n"
    )
    invoke("db", "check").ok()


def test_voiding_makes_a_credit_of_what_was_paid(invoke: Invoke) -> None:
    billed(invoke)
    done(invoke, "invoice", "pay", "1", "--amount", "1.00")
    done(invoke, "invoice", "credit-note", "1", "--amount", "0.20", "--reason", "late")
    assert state(invoke) == ("sent", "1.20", "0.48")
    invoke("invoice", "void", "1", "--reason", "a mistake", at=FEB).ok()
    shown = done(invoke, "payment", "show", "1")
    assert [shown[key] for key in ("allocated", "credited")] == ["0.00", "1.00"]
    assert shown["allocations"][0]["released_at"] == FEB
    credit = done(invoke, "credits", "list")
    assert (credit["remaining"], credit["source"]) == ("1.00", "payment 1")
    # The next invoice for the same usage is paid by it.
    assert made(invoke, "--period", "2025-01", "--finalize", at=FEB) == ["0.68"]
    invoke("db", "check").ok()


def test_a_note_whose_credit_is_spent_holds_its_invoice(invoke: Invoke) -> None:
    billed(invoke)
    done(invoke, "invoice", "pay", "1")
    done(invoke, "invoice", "credit-note", "1", "--amount", "0.50", "--reason", "late")
    take_in(invoke, *session("2025-02-10T00:00:00Z", "2025-02-11T00:00:00Z", "s2"), at=MARCH)
    assert made(invoke, "--finalize", at=MARCH) == ["1.18"]
    done(invoke, "payment", "refund", "1", "--reason", "x", "--no-credit-note", at=MARCH)
    assert state(invoke, at=MARCH) == ("overdue", "0.00", "1.68")
    refused = invoke("invoice", "void", "1", "--reason", "x", at=MARCH)
    assert (refused.exit_code, refused.stderr.splitlines()[0]) == (
        4,
        "error: invoice INV-2025-000001 granted a credit that is already spent on INV-2025-000002",
    )
    invoke("invoice", "void", "2", "--reason", "x", at=MARCH).ok()
    invoke("invoice", "void", "1", "--reason", "x", at=MARCH).ok()
    assert done(invoke, "credits", "balance")["voided"] == "0.50"
    invoke("db", "check").ok()


def test_notes_are_set_against_what_is_owed_first(invoke: Invoke) -> None:
    invoke.configure(taxes=[TAX])
    billed(invoke)  # 1.68 and 0.39 of tax
    done(invoke, "invoice", "pay", "1", "--amount", "1.00")
    line = done(invoke, "invoice", "credit-note", "1", "--line", "2", "--reason", "not used")
    assert [line[key] for key in ("credit_note", "net", "tax", "amount", "line")] == [
        "CN-2025-000001",
        "0.48",
        "0.11",
        "0.59",
        2,
    ]
    assert (line["applied"], line["credited"]) == ("0.59", "0.00")
    rest = done(invoke, "invoice", "credit-note", "1", "--amount", "1.48", "--reason", "all of it")
    assert [rest[key] for key in ("credit_note", "net", "tax", "applied", "credited")] == [
        "CN-2025-000002",
        "1.20",
        "0.28",
        "0.48",
        "1.00",
    ]
    assert state(invoke) == ("paid", "2.07", "0.00")
    refused = invoke("invoice", "credit-note", "1", "--amount", "0.01", "--reason", "more", at=FEB)
    assert refused.stderr == (
        "error: 0.01 USD is more than is left of invoice INV-2025-000001\n"
        "hint: at most 0.00 USD can be credited\n"
    )
    invoke("db", "check").ok()


def test_a_note_can_be_given_back_as_money(invoke: Invoke) -> None:
    billed(invoke)
    words = ("invoice", "credit-note", "1", "--amount", "0.60", "--reason", "late", "--refunded")
    done(invoke, "invoice", "pay", "1", "--amount", "1.50")
    done(invoke, "credits", "add", "--user", "ann", "--amount", "1.00", "--reason", "x")
    note = done(invoke, *words)
    assert [note[key] for key in ("applied", "credited", "refunded")] == ["0.18", "0.00", "0.42"]
    assert state(invoke) == ("paid", "1.68", "0.00")
    assert done(invoke, "payment", "show", "1")["refunds"][0]["credit_note"] == "CN-2025-000001"
    refused = invoke(*words[:4], "1.08", *words[5:], at=FEB).ok()
    assert "1.08" in refused.stdout
    invoke("db", "check").ok()


def test_no_more_money_goes_back_than_came_in(sqlite_invoke: Invoke) -> None:
    run = sqlite_invoke
    done(run, "credits", "add", "--user", "ann", "--amount", "1.00", "--reason", "x")
    billed(run)
    done(run, "invoice", "pay", "1")
    words = ("invoice", "credit-note", "1", "--amount", "1.68", "--reason", "late")
    refused = run(*words, "--refunded", at=FEB)
    assert refused.stderr == (
        "error: of invoice INV-2025-000001 only 0.68 USD was paid by payments and can be given "
        "back\nhint: leave --refunded out to credit the rest\n"
    )
    # The number was not taken: the next note gets it.
    assert done(run, *words)["credit_note"] == "CN-2025-000001"
    run("db", "check").ok()


def test_overdue_since_the_due_moment_whenever_the_job_runs(invoke: Invoke) -> None:
    more = session("2025-01-10T00:00:00Z", "2025-01-11T00:00:00Z", "s2", "bob")
    billed(invoke, *more)
    done(invoke, "invoice", "pay", "2")
    early = "2025-02-15T05:59:59Z"
    assert invoke("invoice", "mark-overdue", at=early).ok().stderr == "nothing is overdue\n"
    refused = invoke("invoice", "mark-overdue", "1", at=early)
    assert (refused.exit_code, refused.stderr.splitlines()[0]) == (
        4,
        f"error: invoice INV-2025-000001 is not overdue yet: it is due at {DUE}",
    )
    assert done(invoke, "invoice", "mark-overdue", "--dry-run", at=MARCH)["status"] == "overdue"
    assert state(invoke, at=MARCH)[0] == "sent"
    assert done(invoke, "invoice", "mark-overdue", at=MARCH)["id"] == 1
    assert events(invoke)[-1] == ("invoice.overdue", DUE)
    assert done(invoke, "invoice", "mark-overdue", at=MARCH) == []
    assert done(invoke, "invoice", "pay", "1", at=MARCH)["status"] == "paid"


def test_one_that_is_due_can_be_marked_by_name(sqlite_invoke: Invoke) -> None:
    billed(sqlite_invoke)
    words = ("invoice", "mark-overdue", "1", "INV-2025-000001")
    assert done(sqlite_invoke, *words, at=DUE)["status"] == "overdue"
    again = sqlite_invoke(*words, at=DUE)
    assert (again.exit_code, again.stderr) == (
        4,
        (
            "error: invoice INV-2025-000001 is overdue and cannot be marked as overdue\n"
            "hint: an overdue invoice can be paid, credited or voided\n"
        ),
    )


@pytest.mark.parametrize(
    ("arguments", "code", "error", "hint"),
    [
        (["pay", "9"], 3, "there is no invoice '9'", "billing invoice list shows ids and numbers"),
        (["pay", "1", "--amount", "0"], 2, "--amount: 0 is not above zero",
         "give an amount above zero"),
        (["pay", "1", "--amount", "1,5"], 2,
         "--amount: '1,5' is not an amount: expected digits such as 12.50",
         "write it in USD, such as 50.00"),
        (["pay", "1", "--received", "2025-02-01T06:00:01Z"], 2,
         "--received: 2025-02-01T06:00:01Z is still to come",
         "it is 2025-02-01T06:00:00Z: no money can have come in later"),
        (["credit-note", "1", "--reason", "x"], 2, "name an --amount, or else a --line",
         "invoice show lists the lines"),
        (["credit-note", "1", "--reason", "x", "--line", "3"], 3,
         "invoice INV-2025-000001 has no line 3",
         "lines are counted from 1, as invoice show lists them"),
        (["credit-note", "1", "--reason", " ", "--line", "1"], 2, "--reason is empty",
         "say why: it is kept with the note"),
        (["credit-note", "1", "--reason", "x", "--amount", "1.69"], 4,
         "1.69 USD is more than is left of invoice INV-2025-000001",
         "at most 1.68 USD can be credited"),
    ],
)  # fmt: skip
def test_what_is_refused(
    sqlite_invoke: Invoke, arguments: list[str], code: int, error: str, hint: str
) -> None:
    billed(sqlite_invoke)
    before = state(sqlite_invoke)
    result = sqlite_invoke("invoice", *arguments, at=FEB)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr == f"error: {error}\nhint: {hint}\n"
    assert state(sqlite_invoke) == before
    sqlite_invoke("db", "check").ok()


def test_every_forbidden_move_ends_with_4(sqlite_invoke: Invoke) -> None:
    run = sqlite_invoke
    take_in(run, *DAY, at=FEB)
    made(run, at=FEB)
    reason = ("--reason", "x")
    for words in (["pay", "1"], ["credit-note", "1", "--amount", "1", *reason]):
        refused = run("invoice", *words, at=FEB)
        assert (refused.exit_code, refused.stderr.splitlines()[1]) == (
            4,
            "hint: a draft invoice can be edited, finalized or voided",
        )
    assert run("invoice", "mark-overdue", "1", at=MARCH).exit_code == 4
    run("invoice", "finalize", "1", at=FEB).ok()
    done(run, "invoice", "pay", "1")
    for words in (["pay", "1"], ["void", "1", *reason], ["finalize", "1"]):
        assert run("invoice", *words, at=FEB).exit_code == 4
    done(run, "payment", "reverse", "1", *reason)
    assert state(run) == ("sent", "0.00", "1.68")
    run("invoice", "void", "1", *reason, at=FEB).ok()
    for words in (
        ["pay", "1"],
        ["void", "1", *reason],
        ["credit-note", "1", "--line", "1", *reason],
    ):
        refused = run("invoice", *words, at=FEB)
        assert refused.stderr.splitlines()[1] == (
            "hint: a void invoice stays void; generate --period bills its usage again"
        )
    run("db", "check").ok()
