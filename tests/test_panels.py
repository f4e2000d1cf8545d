"""The dashboard and the doctor's findings on screens of all sizes, whatever names hold."""

from __future__ import annotations

from typing import Final

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
    _, line = aligned(["User", "Plan", "Cost", "Last"], rows, 40, range(2, 3))
    text = "".join(piece for piece, _ in line)
    assert cell_len(text) <= 40
    assert "n…" in text
    assert "1,234.00" in text
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
