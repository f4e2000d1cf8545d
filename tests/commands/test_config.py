"""``billing config``: what is set, what is in force since when, and recording a change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.commands.support import event, lines_of, session, take_in

if TYPE_CHECKING:
    from tests.command_line import Invoke

NOW = "2025-01-20T00:00:00Z"
FEB = "2025-02-01T06:00:00Z"
CPU = "computeRates.cpu_per_core_hour"
DEARER = {"computeRates": {"cpu_per_core_hour": "0.10"}}
WRONG = {
    "enabled": "yes",
    "invoiceDay": 31,
    "timezone": "Mars/Base",
    "computeRatez": {},
    "note\x1b[31m\n": 1,
}
PROBLEMS = (
    "  enabled: must be true or false, not 'yes'\n"
    "  invoiceDay: must be at most 28, not 31\n"
    "  timezone: must be an IANA time zone such as Europe/London, not 'Mars/Base'\n"
    "  computeRatez: is not a known key (did you mean computeRates?)\n"
)


@pytest.mark.parametrize(
    "command", [["config", "validate"], ["config", "show"], ["usage"], ["meter", "run"]]
)
def test_a_wrong_file_is_refused_with_every_problem(
    sqlite_invoke: Invoke, command: list[str]
) -> None:
    sqlite_invoke.configure(**WRONG)
    result = sqlite_invoke(*command, at=NOW)
    assert (result.exit_code, result.stdout) == (8, "")
    assert result.stderr.startswith("error: billing.json has 5 problems:\n" + PROBLEMS)
    assert result.stderr.endswith(
        "\nhint: docs/configuration.md explains every key; "
        "'billing config schema' prints a JSON Schema\n"
    )
    assert r"note\x1b[31m\n" in result.stderr
    assert "\x1b" not in result.stderr
    assert result.stderr.count("\n") == 7


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("{", "is not JSON: expecting property name enclosed in double quotes at line 2, column 1"),
        ("", "is empty"),
        ('{"enabled": true, "enabled": false}', "says the key 'enabled' more than once"),
        ("[]", "must hold a JSON object, not a list"),
        ('{"currency": "usd"}', "currency: must be a currency code of ISO 4217 such as USD, "),
    ],
)
def test_a_broken_file_is_refused(sqlite_invoke: Invoke, content: str, error: str) -> None:
    path = sqlite_invoke.work / "mine.json"
    path.write_text(f"{content}\n")
    result = sqlite_invoke("config", "validate", environ={"BILLING_CONFIG": "mine.json"})
    assert result.exit_code == 8
    assert result.stderr.startswith(f"error: mine.json: {error}")


def test_a_named_file_has_to_be_there(sqlite_invoke: Invoke) -> None:
    result = sqlite_invoke("usage", environ={"BILLING_CONFIG": "none\x1b[31m\n.json"})
    assert result.exit_code == 3
    assert result.stderr == (
        r"error: the config file 'none\x1b[31m\n.json' (from BILLING_CONFIG) does not exist" + "\n"
        "hint: 'billing init' writes one\n"
    )


def test_validate_names_what_it_looked_at(sqlite_invoke: Invoke) -> None:
    assert sqlite_invoke("config", "validate").ok().stderr == (
        "no config file: the defaults: valid\n"
    )
    path = sqlite_invoke.configure(invoiceDay=15)
    assert path.name in sqlite_invoke("config", "validate").ok().stderr


def test_show_says_where_each_setting_came_from_and_no_secret(sqlite_invoke: Invoke) -> None:
    path = sqlite_invoke.configure(stripeSecretKey="sk_test_hush", invoiceDay=15)
    path.chmod(0o644)
    environ = {"STRIPE_WEBHOOK_SECRET": "whsec_hush"}
    for fmt in ("table", "json", "jsonl", "csv", "tsv", "markdown"):
        shown = sqlite_invoke("config", "show", "-o", fmt, environ=environ).ok()
        assert "hush" not in shown.stdout + shown.stderr
        assert shown.stderr == (
            "warning: billing.json holds stripeSecretKey and can be read by other users; "
            "make it private: chmod 600 billing.json\n"
        )
    rows = sqlite_invoke("config", "show", "-o", "json", environ=environ).json()
    said = {row["key"]: (row["value"], row["source"]) for row in rows}
    assert said["invoiceDay"] == (15, "billing.json")
    assert said["paymentTermsDays"] == (14, "default")
    assert said["stripeSecretKey"] == ("********", "billing.json")
    assert said["stripeWebhookSecret"] == ("********", "environment STRIPE_WEBHOOK_SECRET")
    assert said["databaseUrl"] == (sqlite_invoke.database, "--database")


def test_the_password_of_a_database_is_not_shown(sqlite_invoke: Invoke) -> None:
    url = "postgresql://meter:hush@127.0.0.1:1/billing"
    shown = sqlite_invoke("--database", url, "config", "show", "-o", "csv").ok()
    assert "databaseUrl,postgresql://meter:********@127.0.0.1:1/billing," in shown.stdout
    assert "hush" not in shown.stdout
    refused = sqlite_invoke("--database", url, "usage")
    assert refused.exit_code == 6
    assert "hush" not in refused.stderr


def test_schema_is_one_of_json(sqlite_invoke: Invoke) -> None:
    sqlite_invoke.configure(**WRONG)
    schema = sqlite_invoke("config", "schema").ok().json()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["invoiceDay"]["maximum"] == 28


def test_the_first_settings_hold_from_the_beginning(invoke: Invoke) -> None:
    assert invoke("config", "history").ok().stderr == "nothing is recorded before the first run\n"
    rehearsed = invoke("config", "apply", "--dry-run", at=NOW).ok()
    assert rehearsed.stderr == "would hold from the beginning of time\n"
    assert rehearsed.stdout == (
        """\
Key                                In force    Wanted
---------------------------------  ----------  --------
billingMode                        -           usage
computeRates.cpu_per_core_hour     -           0.05
computeRates.memory_per_gb_hour    -           0.01
computeRates.storage_per_gb_month  -           0.1
currency                           -           USD
timezone                           -           UTC
invoiceDay                         -           1
"""
    )
    assert invoke("config", "history", "-o", "json").json() == []
    assert invoke("config", "apply", at=NOW).ok().stderr == (
        "recorded: in force from the beginning of time\n"
    )
    again = invoke("config", "apply", at=NOW).ok()
    assert (again.stdout, again.stderr) == ("", "nothing differs from what is in force\n")
    (row,) = invoke("config", "history", "-o", "json").json()
    assert (row["version"], row["effective_from"], row["recorded_at"], row["changes"]) == (
        1,
        "the beginning",
        NOW,
        "first settings",
    )


def test_a_change_is_warned_about_until_it_is_applied(invoke: Invoke) -> None:
    take_in(invoke, event("created", "2025-01-01T00:00:00Z"), at=NOW)
    invoke("meter", "run", at=NOW).ok()
    invoke.configure(**DEARER, heartbeatTimeoutMinutes=60)
    warning = (
        "warning: the config file differs from the settings in force "
        f"({CPU} is 0.05, the file says 0.1; "
        "heartbeatTimeoutMinutes is nothing, the file says 60); "
        "billing config apply records the change\n"
    )
    for command in (
        ["meter", "run"],
        ["invoice", "generate"],
        ["invoice", "finalize", "--period", "2024-12"],
    ):
        assert warning in invoke(*command, at=NOW).ok().stderr
    invoke("config", "apply", at=NOW).ok()
    assert invoke("meter", "run", at=NOW).ok().stderr == ""
    listed = invoke("config", "history", "-o", "json").json()
    assert listed[1]["changes"] == (f"{CPU}: 0.05 -> 0.1; heartbeatTimeoutMinutes: nothing -> 60")


def test_a_new_price_splits_the_lines_where_it_begins(invoke: Invoke) -> None:
    take_in(invoke, *session("2025-01-10T00:00:00Z", "2025-01-10T05:00:00Z"), at=NOW)
    invoke("meter", "run", at=NOW).ok()
    invoke.configure(**DEARER)
    change = "2025-01-10T02:30:00Z"
    rehearsed = invoke("config", "apply", "--from", change, "--dry-run", at=NOW).ok()
    assert rehearsed.stderr == (
        f"would hold from {change}\n"
        "usage from 2025-01-10T02:00:00Z on is metered again by the next billing meter run\n"
    )
    assert len(invoke("config", "history", "-o", "json").json()) == 1
    applied = invoke("config", "apply", "--from", change, at=NOW).ok()
    assert applied.stderr == (
        f"recorded: in force from {change}\n"
        "usage from 2025-01-10T02:00:00Z on is metered again by the next billing meter run\n"
    )
    assert applied.stdout == (
        f"Key                             In force    Wanted\n"
        f"------------------------------  ----------  --------\n"
        f"{CPU}  0.05        0.1\n"
    )
    invoke("invoice", "generate", "--finalize", at=FEB).ok()
    assert lines_of(invoke, "1") == [
        ("CPU", "2.50", "0.05", "0.13"),
        ("CPU", "2.50", "0.1", "0.25"),
        ("Memory", "10.00", "0.01", "0.10"),
    ]


def test_the_past_that_is_billed_is_never_rewritten(invoke: Invoke) -> None:
    take_in(invoke, *session("2025-01-10T00:00:00Z", "2025-01-10T05:00:00Z"), at=NOW)
    invoke("invoice", "generate", "--finalize", at=FEB).ok()
    invoke.configure(**DEARER)
    refused = invoke("config", "apply", "--from", "2025-01-31T23:59:59Z", at=FEB)
    assert (refused.exit_code, refused.stdout) == (4, "")
    assert refused.stderr == (
        "error: 2025-01-31T23:59:59Z lies before 2025-02-01T00:00:00Z, "
        "where the last finalized period ends\n"
        "hint: use --from 2025-02-01T00:00:00Z or later: what is billed is never rewritten\n"
    )
    invoke("config", "apply", "--from", "2025-02-01T00:00:00Z", at=FEB).ok()


def test_the_currency_is_fixed(invoke: Invoke) -> None:
    invoke("config", "apply", at=NOW).ok()
    invoke.configure(currency="EUR")
    refused = invoke("config", "apply", at=NOW)
    assert (refused.exit_code, refused.stdout) == (4, "")
    assert refused.stderr == (
        "error: the currency of a database is fixed by its first record\n"
        "hint: use a database of its own for another currency\n"
    )


@pytest.mark.parametrize(
    ("keys", "end", "next_end"),
    [
        # The first boundary of the new regime at or after the period's old end.
        ({"timezone": "America/New_York"}, "2025-02-01T05:00:00Z", "2025-03-01T05:00:00Z"),
        ({"timezone": "Asia/Kolkata"}, "2025-02-28T18:30:00Z", "2025-03-31T18:30:00Z"),
        ({"invoiceDay": 15}, "2025-02-15T00:00:00Z", "2025-03-15T00:00:00Z"),
    ],
)
def test_a_new_zone_or_day_extends_the_running_period(
    invoke: Invoke, keys: dict[str, object], end: str, next_end: str
) -> None:
    take_in(invoke, event("created", "2025-01-10T00:00:00Z"), at=NOW)
    invoke("meter", "run", at=NOW).ok()
    invoke.configure(**keys)
    applied = invoke("config", "apply", at=NOW).ok()
    assert applied.stderr == (
        f"recorded: in force from {NOW}\nthe period 2025-01 then runs until {end}\n"
    )
    made = invoke("invoice", "generate", "-o", "json", at="2025-04-01T00:00:00Z").ok().json()
    periods = [(row["period_start"], row["period_end"]) for row in made]
    assert periods[:2] == [("2025-01-01T00:00:00Z", end), (end, next_end)]


def test_a_new_timeout_refolds_what_was_silent(invoke: Invoke) -> None:
    lines = [
        event("created", "2025-01-10T00:00:00Z"),
        event("heartbeat", "2025-01-10T01:00:00Z"),
        event("terminated", "2025-01-10T10:00:00Z"),
    ]
    take_in(invoke, *lines, at=NOW)
    invoke("meter", "run", at=NOW).ok()
    invoke.configure(heartbeatTimeoutMinutes=60)
    invoke("config", "apply", "--from", "2025-01-01T00:00:00Z", at=NOW).ok()
    invoke("meter", "run", at=NOW).ok()
    used = invoke("usage", "-o", "csv", at=NOW).ok().stdout.splitlines()
    assert used[1:] == ["ann,cpu,2.00,core-hours,0.05,0.10", "ann,memory,4.00,gb-hours,0.01,0.04"]


@pytest.mark.parametrize(
    ("moment", "error", "hint"),
    [
        ("soon", "--from: 'soon' is not an RFC 3339 time such as 2025-01-01T00:00:00Z",
         "write it as RFC 3339 with a zone, such as 2025-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "--from: 9999-12-31T23:59:59Z is too late",
         "the year 9998 is the last"),
    ],
)  # fmt: skip
def test_from_is_an_instant(sqlite_invoke: Invoke, moment: str, error: str, hint: str) -> None:
    result = sqlite_invoke("config", "apply", "--from", moment, at=NOW)
    assert result.exit_code == 2
    assert result.stderr == f"error: {error}\nhint: {hint}\n"


def test_the_sample_is_valid(sqlite_invoke: Invoke) -> None:
    sqlite_invoke("init").ok()
    assert json.loads((sqlite_invoke.work / "billing.json").read_text())["invoiceDay"] == 1
    sqlite_invoke("config", "validate").ok()


def test_history_tells_what_an_earlier_instant_takes_the_place_of(invoke: Invoke) -> None:
    invoke.configure(invoiceDay=1)
    invoke("meter", "run", at="2025-10-01T00:00:00Z").ok()
    invoke.configure(invoiceDay=15)
    invoke("config", "apply", at="2025-11-05T01:00:00Z").ok()
    invoke.configure(invoiceDay=15, computeRates={"cpu_per_core_hour": 0.06})
    earlier = ("--from", "2025-10-07T00:00:00Z")
    invoke("config", "apply", *earlier, at="2025-11-05T01:00:00Z").ok()
    rows = invoke("config", "history", "-o", "json").ok().json()
    assert [(row["changes"], row["replaced_by"]) for row in rows] == [
        ("first settings", None),
        ("invoiceDay: 1 -> 15", 3),
        ("computeRates.cpu_per_core_hour: 0.05 -> 0.06; invoiceDay: 1 -> 15", None),
    ]
