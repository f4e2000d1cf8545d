"""``billing credits``: what is granted, used, returned, expired and voided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.commands.support import made, session, take_in
from tests.commands.test_invoice_life import FEB, MARCH, billed, done, events
from tests.contents import rows
from tests.test_concurrency import together

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command_line import CommandLine, Invoke
    from tests.databases import Copies
    from tests.processes import Processes

JAN = "2025-01-20T12:00:00Z"
REASON = ("--reason", "Service credit for downtime")


def add(run: CommandLine, amount: str, *more: str, user: str = "ann", at: str = JAN) -> int:
    """Grant a credit and return its id."""
    words = ("credits", "add", "--user", user, "--amount", amount, *REASON, *more)
    number: int = done(run, *words, at=at)["id"]
    return number


def sums(run: CommandLine, at: str = FEB) -> list[str]:
    """What became of ann's credits."""
    row = done(run, "credits", "balance", "--user", "ann", at=at)
    return [row[key] for key in ("granted", "used", "remaining", "expired", "voided")]


def history(run: CommandLine, at: str = FEB) -> list[tuple[str, str | None, str, str]]:
    """The changes of ann's balance: what, by which invoice, how much, and the balance."""
    found = done(run, "credits", "history", "--user", "ann", at=at)
    moves = found if isinstance(found, list) else [found]
    return [
        (move["change"], move["invoice_number"], move["amount"], move["balance"]) for move in moves
    ]


def test_a_credit_for_downtime(invoke: Invoke) -> None:
    row = done(invoke, "credits", "add", "--user", "zoe", "--amount", "50.00", *REASON, at=JAN)
    assert row == {
        "id": 1,
        "user_id": "zoe",
        "amount": "50.00",
        "used": "0.00",
        "remaining": "50.00",
        "expired": "0.00",
        "voided": "0.00",
        "currency": "USD",
        "expires_at": None,
        "reason": "Service credit for downtime",
        "source": "operator",
        "created_at": JAN,
        "voided_at": None,
        "void_reason": None,
    }
    assert events(invoke)[-1] == ("credit.granted", JAN)


def test_a_user_who_is_not_known_is_added_and_told(sqlite_invoke: Invoke) -> None:
    words = ("credits", "add", "--user", "ann", "--amount", "5", *REASON)
    first, again = sqlite_invoke(*words, at=JAN).ok(), sqlite_invoke(*words, at=JAN).ok()
    assert first.stderr == "the user ann was not known: added\n"
    assert again.stderr == ""


def test_used_returned_and_voided(invoke: Invoke) -> None:
    credit = add(invoke, "2.00")
    billed(invoke)
    assert sums(invoke) == ["2.00", "1.68", "0.32", "0.00", "0.00"]
    invoke("invoice", "void", "1", "--reason", "x", at=FEB).ok()
    assert sums(invoke) == ["2.00", "0.00", "2.00", "0.00", "0.00"]
    made(invoke, "--period", "2025-01", "--finalize", at=MARCH)
    voided = done(invoke, "credits", "void", str(credit), "--reason", "twice", at=MARCH)
    assert (voided["voided"], voided["void_reason"], voided["voided_at"]) == (
        "0.32",
        "twice",
        MARCH,
    )
    assert sums(invoke, MARCH) == ["2.00", "1.68", "0.00", "0.00", "0.32"]
    assert history(invoke, MARCH) == [
        ("granted", None, "2.00", "2.00"),
        ("returned", "INV-2025-000001", "1.68", "3.68"),
        ("used", "INV-2025-000001", "-1.68", "2.00"),
        ("used", "INV-2025-000002", "-1.68", "0.32"),
        ("voided", None, "-0.32", "0.00"),
    ]
    assert done(invoke, "credits", "list") == []
    assert done(invoke, "credits", "list", "--all")["id"] == credit
    refused = invoke("credits", "void", str(credit), "--reason", "x", at=MARCH)
    assert (refused.exit_code, refused.stderr) == (
        4,
        "error: nothing remains of credit 1\nhint: billing credits list shows what remains\n",
    )
    invoke("db", "check").ok()


def test_a_credit_is_good_to_the_end_of_its_last_local_day(invoke: Invoke) -> None:
    invoke.configure(timezone="America/New_York")
    add(invoke, "1.00", "--expires", "2025-01-31")
    row = done(invoke, "credits", "list", at=JAN)
    assert row["expires_at"] == "2025-02-01T05:00:00Z"
    last, over = "2025-02-01T04:59:59Z", "2025-02-01T05:00:00Z"
    assert sums(invoke, last) == ["1.00", "0.00", "1.00", "0.00", "0.00"]
    assert sums(invoke, over) == ["1.00", "0.00", "0.00", "1.00", "0.00"]
    assert history(invoke, over)[-1] == ("expired", None, "-1.00", "0.00")
    # It was good for all of January: the invoice that is made later still uses it.
    billed(invoke)
    assert sums(invoke) == ["1.00", "1.00", "0.00", "0.00", "0.00"]
    assert history(invoke)[-1] == ("used", "INV-2025-000001", "-1.00", "0.00")
    invoke("invoice", "void", "1", "--reason", "x", at=MARCH).ok()
    assert history(invoke, MARCH)[2:] == [
        ("returned", "INV-2025-000001", "1.00", "1.00"),
        ("expired", None, "-1.00", "0.00"),
    ]


def test_the_soonest_to_expire_is_used_first(invoke: Invoke) -> None:
    first = add(invoke, "1.00")
    second = add(invoke, "1.00", "--expires", "2025-12-31")
    billed(invoke)
    left = {row["id"]: row["remaining"] for row in done(invoke, "credits", "list", "--all")}
    assert left == {first: "0.32", second: "0.00"}


def test_money_of_a_payment_is_not_voided_but_given_back(sqlite_invoke: Invoke) -> None:
    billed(sqlite_invoke)
    done(sqlite_invoke, "invoice", "pay", "1", "--amount", "2.00")
    refused = sqlite_invoke("credits", "void", "1", "--reason", "x", at=FEB)
    assert (refused.exit_code, refused.stderr) == (
        4,
        ("error: credit 1 is money of payment 1\nhint: billing payment refund 1 gives it back\n"),
    )


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["add", "--user", " ", "--amount", "1", *REASON], 2,
         "--user: a user's id must not be blank"),
        (["add", "--user", "ann", "--amount", "0.00", *REASON], 2,
         "--amount: 0.00 is not above zero"),
        (["add", "--user", "ann", "--amount", "0.001", *REASON], 2,
         "--amount: '0.001' is finer than the smallest unit of USD (2 decimals)"),
        (["add", "--user", "ann", "--amount", "1", "--reason", ""], 2, "--reason is empty"),
        (["add", "--user", "ann", "--amount", "1", *REASON, "--expires", "2025-01-31"], 2,
         "--expires: 2025-01-31 has passed"),
        (["add", "--user", "ann", "--amount", "10000000000000.01", *REASON], 2,
         "--amount: the amount is too large"),
        (["void", "9999999999999999999", "--reason", "x"], 3,
         "there is no credit 9999999999999999999"),
        (["void", "7", "--reason", "x"], 3, "there is no credit 7"),
        (["history", "--user", "zoe"], 3, "there is no user 'zoe'"),
        (["balance", "--user", "zoe"], 3, "there is no user 'zoe'"),
    ],
)  # fmt: skip
def test_what_is_refused(
    sqlite_invoke: Invoke, arguments: list[str], code: int, error: str
) -> None:
    result = sqlite_invoke("credits", *arguments, at=FEB)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.splitlines()[0] == f"error: {error}"
    assert done(sqlite_invoke, "credits", "list", "--all") == []


def test_processes_that_finalize_at_once_spend_a_credit_once(
    copies: Copies, forked: Processes, tmp_path: Path
) -> None:
    """Two months of the same users: each invoice alone would take the whole credit."""
    with copies.fresh() as url:
        on = forked.on(url, at="2025-03-01T12:00:00Z")
        file = tmp_path / "events.jsonl"
        lines = [
            line
            for user in "abcdef"
            for month in ("01", "02")
            for line in session(
                f"2025-{month}-10T00:00:00Z", f"2025-{month}-11T00:00:00Z", f"{user}{month}", user
            )
        ]
        file.write_text("".join(f"{line}\n" for line in lines))
        on("meter", "ingest", file).ok()
        for user in "abcdef":
            on("credits", "add", "--user", user, "--amount", "2.00", "--reason", "x").ok()
        months = ("2025-01", "2025-02")
        together(
            [(on, ("invoice", "generate", "--finalize", "--period", month)) for month in months * 2]
        )
        on("db", "check").ok()
        assert rows(
            url, "SELECT user_id, SUM(credits) FROM billing_invoices GROUP BY 1 ORDER BY 1"
        ) == [(user, 200) for user in "abcdef"]
        assert rows(url, "SELECT SUM(amount) FROM billing_credit_uses") == [(1_200,)]


def test_nobody_has_a_credit_at_first(invoke: Invoke) -> None:
    take_in(invoke, *session("2025-01-10T00:00:00Z", "2025-01-11T00:00:00Z"), at=FEB)
    assert invoke("credits", "list", at=FEB).ok().stderr == "no credits\n"
    assert invoke("credits", "history", "--user", "ann", at=FEB).ok().stderr == "no credits\n"


def test_what_has_expired_is_not_listed_as_left(sqlite_invoke: Invoke) -> None:
    add(sqlite_invoke, "1", "--expires", "2025-01-31")
    listed = ("credits", "list", "-o", "json")
    assert len(sqlite_invoke(*listed, at=JAN).ok().json()) == 1
    assert sqlite_invoke(*listed, at="2025-02-02T00:00:00Z").ok().json() == []
    assert len(sqlite_invoke(*listed, "--all", at="2025-02-02T00:00:00Z").ok().json()) == 1
