"""Which cron schedules are plausible."""

from __future__ import annotations

import pytest

from billing_cli.settings.cron import cron_problem


@pytest.mark.parametrize(
    "schedule",
    ["0 * * * *", "*/15 0-6,22 1,15 jan-mar MON-fri", "5  4\t* * 7", "59 23 31 12 0-6/2"],
)
def test_plausible_schedules_are_taken(schedule: str) -> None:
    assert cron_problem(schedule) is None


@pytest.mark.parametrize(
    ("schedule", "reason"),
    [
        ("", "five fields"),
        ("@hourly", "five fields"),
        ("* * * *", "five fields"),
        ("* * * * * *", "five fields"),
        ("60 * * * *", "'60' is no minute, which goes from 0 to 59"),
        ("* 24 * * *", "'24' is no hour"),
        ("* * 0 * *", "'0' is no day of month"),
        ("* * * 13 *", "'13' is no month"),
        ("* * * foo *", "'foo' is no month"),
        ("* * * * 8", "'8' is no day of week"),
        ("*/0 * * * *", "'*/0' is no minute"),
        ("30-10 * * * *", "'30-10' is no minute"),
        ("1,,2 * * * *", "'1,,2' is no minute"),
        ("jan * * * *", "'jan' is no minute"),
        ("\x1b[0m * * * *", r"'\x1b[0m' is no minute"),
    ],
)
def test_implausible_schedules_are_refused(schedule: str, reason: str) -> None:
    assert reason in str(cron_problem(schedule))
