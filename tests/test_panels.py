"""The dashboard and the doctor's findings on screens of all sizes, whatever names hold."""

from __future__ import annotations

from typing import Final, cast

import pytest
from rich.cells import cell_len

from billing_cli import findings
from billing_cli.lines import aligned, cut, wrapped
from billing_cli.panels import Canvas, Contents, draw, summary_lines
from billing_cli.screen import rendered
from billing_cli.user_lines import bar, plain_users

NAMES: Final = ("ann", "漢字" * 30, "[red]x[/red]", "\x1b[31mred\x07", "a\nb\tc", "x" * 300)


def user(name: str, **given: object) -> dict[str, object]:
    row: dict[str, object] = {
        "user_id": name,
        "plan": "pro",
        "status": "overdue",
        "suspended_since": None,
        "cost": "1234567.89",
        "projected_cost": "12345678.90",
        "amount_due": "1.00",
        "overdue_since": "2025-01-01T00:00:00Z",
        "credit_balance": "0.00",
        "last_invoice": "INV-2025-000001",
        "last_invoice_status": "overdue",
    }
    for resource, key in (("cpu", "cpu_cores"), ("memory", "memory_gb"), ("storage", "storage_gb")):
        row |= {key: "9.00", f"{resource}_level": "exceeded", f"{resource}_percent": "112.50"}
    row |= {"spend": None, "spend_level": None, "spend_percent": None}
    return row | given


def summary(attention: int = 6) -> dict[str, object]:
    item = {"kind": "x", "severity": "critical", "count": 9, "text": "9 users overdue"}
    counts = dict.fromkeys(
        ("users", "all_users", "running_sessions", "suspended", "overdue", "exceeded", "warning"),
        100_000,
    )
    sums = dict.fromkeys(("cost", "projected_cost", "amount_due", "credit_balance"), "98765432.10")
    return {
        "as_of": "2025-02-28T00:00:00Z",
        "period": "2025-02",
        "period_start": "2025-02-01T00:00:00Z",
        "period_end": "2025-03-01T00:00:00Z",
        "start_date": "2025-02-01",
        "end_date": "2025-03-01",
        "billing_mode": "subscription",
        "currency": "USD",
        "attention": [
            {**item, "users": list(NAMES[:3]), "command": "billing invoice list --status overdue"}
        ]
        * attention,
        "totals": {**counts, **sums},
        "months": [
            {"month": f"2024-{number:02}", "billed": "99999.00", "collected": "-1.00"}
            for number in range(1, 13)
        ],
        "days": [{"date": f"2025-01-{day:02}", "cost": f"{day}.5"} for day in range(1, 31)],
    }


@pytest.mark.parametrize("width", [40, 80, 100, 149, 150, 200])
@pytest.mark.parametrize("unicode", [False, True])
def test_it_fits_the_screen(width: int, unicode: bool) -> None:
    contents = Contents(summary(), [user(name) for name in NAMES] * 20, left=7)
    for height in (10, 24, 40, 60):
        canvas = Canvas(width, height, unicode=unicode, strict=True)
        lines = rendered(draw(contents, canvas), colour=False).splitlines()
        assert len(lines) <= height
        if height >= 24 and width >= 80:
            assert any("more users" in line for line in lines)
        assert max(map(cell_len, lines)) <= width
        assert not any(ord(character) < 32 for line in lines for character in line)
        if not unicode:
            assert not any(character in line for line in lines for character in "█░▁▂▲•·")
    coloured = rendered(draw(contents, Canvas(width, 40, unicode=True)), colour=True)
    assert "\x1b[" in coloured
    assert "\x1b[31mred" not in coloured


@pytest.mark.parametrize("width", [30, 40, 50, 60, 70, 80, 150])
@pytest.mark.parametrize("unicode", [False, True])
def test_no_amount_is_cut_however_narrow_the_screen(width: int, unicode: bool) -> None:
    shown = summary(1)
    shown["attention"] = [
        {**item, "text": "10 users overdue with 98765432.10 USD, since 2025-01-16"}
        for item in cast("list[dict[str, object]]", shown["attention"])
    ]
    contents = Contents(shown, [user(name, plan="p" * 9) for name in NAMES])
    text = rendered(draw(contents, Canvas(width, None, unicode=unicode)), colour=False)
    assert max(map(cell_len, text.splitlines())) <= width
    words = [word.rstrip(",") for word in text.split()]
    for amount, times in (
        ("98,765,432.10", 4),
        ("98765432.10", 1),
        ("99,999.00", 2),
        ("-1.00", 1),
        ("1,234,567.89", len(NAMES)),
        ("12,345,678.90", len(NAMES)),
    ):
        assert words.count(amount) == times, amount
    assert "subscription, USD" in text


def test_charts_of_large_amounts_stand_one_below_the_other() -> None:
    large = {"month": "2024-12", "billed": "12345678901234.50", "collected": "7.00"}
    text = rendered(
        summary_lines({**summary(0), "months": [large]}, Canvas(40, None, unicode=True)),
        colour=False,
    )
    lines = text.splitlines()
    at = lines.index("Revenue by month")
    assert lines[at + 1] == "up to 12,345,678,901,234.50"
    assert "billed 12,345,678,901,234.50" in lines
    assert "collected 7.00  2024-12" in lines
    assert lines.index("Usage by day  up to 30.50") > lines.index("collected 7.00  2024-12")


@pytest.mark.parametrize(
    ("currency", "billed", "said"),
    [
        ("JPY", "12000", "up to 12,000\nbilled 12,000  collected 7  2024-12\nat list price 30\n"),
        ("USD", "0.07", "up to 7.00\nbilled 0.07  collected 7.00  2024-12\nat list price 30.50\n"),
        ("KWD", "1.250", "up to 7.000\nbilled 1.250  collected 7.000\nat list price 30.500\n"),
    ],
)
def test_charts_have_the_digits_of_the_currency(currency: str, billed: str, said: str) -> None:
    months = [{"month": "2024-12", "billed": billed, "collected": "7"}]
    found = {**summary(0), "currency": currency, "months": months}
    text = rendered(summary_lines(found, Canvas(80, None, unicode=True)), colour=False)
    for words in said.splitlines():
        assert f"{words} " in text.replace("\n", " ")
    if currency == "JPY":
        assert "." not in text.partition("Revenue by month")[2]


@pytest.mark.parametrize(
    ("users", "all_users", "sessions", "said"),
    [
        (1, 1, 1, "1 user, 1 session running"),
        (1, 1_000, 0, "1 of 1,000 users, 0 sessions running"),
        (2, 2, 1_000, "2 users, 1,000 sessions running"),
        (0, 1, 2, "0 of 1 user, 2 sessions running"),
    ],
)
def test_nouns_agree_with_their_numbers(
    users: int, all_users: int, sessions: int, said: str
) -> None:
    found = summary(0)
    counts = {"users": users, "all_users": all_users, "running_sessions": sessions}
    found["totals"] = {**cast("dict[str, object]", found["totals"]), **counts}
    text = rendered(summary_lines(found, Canvas(200, None, unicode=False)), colour=False)
    assert f"\n{said}, " in text


def test_users_without_room_for_their_amounts_take_more_lines() -> None:
    rows = [user(f"user-{number}", spend_level="ok", spend_percent="7.00") for number in range(9)]
    text = rendered(draw(Contents(summary(0), rows), Canvas(40, 40, unicode=True)), colour=False)
    lines = text.splitlines()
    at = lines.index("user-0  pro  overdue")
    assert lines[at : at + 7] == [
        "user-0  pro  overdue",
        "  Cost 1,234,567.89",
        "  Projected 12,345,678.90  Owed 1.00",
        "  Credits 0.00",
        "  cpu ████ 112%  mem ████ 112%",
        "  disk ████ 112%  spend █░░░   7%",
        "  overdue INV-2025-000001",
    ]
    assert len(lines) <= 40
    shown = sum(line.startswith("user-") for line in lines)
    assert lines[-1].startswith(f"and {9 - shown} more users: ")
    strict = Canvas(40, 24, unicode=True, strict=True)
    assert len(draw(Contents(summary(0), rows), strict)) <= 24


def test_what_needs_attention_comes_first_and_users_fill_the_rest() -> None:
    contents = Contents(summary(1), [user(f"user-{number}") for number in range(50)])
    lines = rendered(draw(contents, Canvas(80, 40, unicode=True)), colour=False).splitlines()
    assert lines[2].startswith("▲ 9 users overdue: ann")
    assert len(lines) in {39, 40}
    hidden = int(lines[-1].split()[1])
    assert hidden + sum(line.startswith("user-") for line in lines) == 50
    calm = rendered(summary_lines(summary(0), Canvas(80, None, unicode=True)), colour=False)
    assert "Nothing needs attention." in calm


def test_bars_say_how_much() -> None:
    def drawn(**given: object) -> str:
        return "".join(text for text, _ in bar(user("x", **given), "cpu", 4, unicode=False))

    assert drawn(cpu_percent="50.00", cpu_level="ok") == "##--  50%"
    assert drawn(cpu_percent="99.99", cpu_level="warning") == "###-  99%"
    assert drawn(cpu_percent="123456.00") == "#### >999"
    assert drawn(cpu_percent=None) == "#### of 0"
    assert drawn(cpu_percent=None, cpu_level="ok") == "---- of 0"
    assert drawn(cpu_level=None, cpu_cores="1234.56") == "1,234.6 cores"
    limited = {"spend": "1.00", "spend_level": "warning", "spend_percent": "80.00"}
    rows, columns = plain_users([user("x", **limited), user("y")])
    assert "Spend" in [column.heading for column in columns]
    assert [row["spend"] for row in rows] == ["####-  80%", "-"]


def test_names_give_way_and_amounts_never() -> None:
    rows = [[[("n" * 90, "")], [("plan", "")], [("1,234.00", "")], [("last", "")]]]
    headings = ["User", "Plan", "Cost", "Last"]
    _, line = aligned(headings, rows, 40, range(2, 3)) or ([], [])
    text = "".join(piece for piece, _ in line)
    assert cell_len(text) <= 40
    assert "n…" in text
    assert "1,234.00" in text
    assert aligned(headings, rows, 23, range(2, 3)) is None
    assert cut("漢字漢字", 5) == "漢字…"
    pieces = [[("aaaa", "")], [("bbbb", "")], [("cccc", "")]]
    assert ["".join(text for text, _ in one) for one in wrapped(pieces, 10, ", ")] == [
        "aaaa, bbbb",
        "cccc",
    ]


def test_findings_are_wrapped_and_never_cut() -> None:
    found, advice = "a\x1b[31m " * 30, "do this " * 20
    rows: list[dict[str, object]] = [
        {"check": "files", "state": "failed", "found": found, "advice": advice},
        {"check": "configuration", "state": "ok", "found": "", "advice": None},
    ]
    text = rendered(findings.draw(rows, 80), colour=False)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count(r"a\x1b[31m") == 30
    assert " ".join(text.split()).count("do this") == 20
    assert text.splitlines()[0].startswith("failed   files          a")


@pytest.mark.parametrize("width", [15, 24, 40, 43, 44, 60])
def test_findings_lose_no_word_on_a_narrow_screen(width: int) -> None:
    rows: list[dict[str, object]] = [
        {
            "check": "notifications",
            "state": "failed",
            "found": f"{'found ' * 20}{'漢字' * 20}",
            "advice": "do this " * 20,
        },
        {"check": "secrets", "state": "skipped", "found": "x", "advice": None},
    ]
    text = rendered(findings.draw(rows, width), colour=False)
    assert max(map(cell_len, text.splitlines())) <= width
    words = text.split()
    assert [words.count(word) for word in ("found", "do", "this")] == [20, 20, 20]
    assert "".join(words).count("漢字") == 20


def test_findings_without_room_beside_their_names_stand_below() -> None:
    rows: list[dict[str, object]] = [
        {"check": "files", "state": "failed", "found": "found " * 5, "advice": "do this"},
        {"check": "notifications", "state": "skipped", "found": "x", "advice": None},
    ]
    assert rendered(findings.draw(rows, 43), colour=False) == (
        "failed   files\n  found found found found found\n  -> do this\n"
        "skipped  notifications\n  x\n"
    )
    beside = rendered(findings.draw(rows, 44), colour=False)
    assert beside.startswith("failed   files          found found found\n")


def test_a_finding_of_nothing_is_an_empty_place() -> None:
    rows: list[dict[str, object]] = [
        {"check": "files", "state": "ok", "found": "", "advice": "look"}
    ]
    for width, expected in (
        (60, "ok       files\n                -> look\n"),
        (20, "ok       files\n  -> look\n"),
    ):
        assert rendered(findings.draw(rows, width), colour=False) == expected
