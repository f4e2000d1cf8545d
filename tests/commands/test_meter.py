"""``billing meter run``, ``sessions``, ``show`` and ``anomalies``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.commands.support import event, session, take_in

if TYPE_CHECKING:
    from tests.command_line import Invoke

NOW = "2025-02-10T00:00:00Z"


def ran(sessions: int, anomalies: int, records: int, until: str) -> str:
    return (
        f"Sessions:      {sessions}\nAnomalies:     {anomalies}\n"
        f"Records:       {records}\nMetered until: {until}\n"
    )


def test_running_again_finds_nothing_to_do(invoke: Invoke) -> None:
    assert invoke("meter", "run", at=NOW).ok().stdout == ran(0, 0, 0, "-")
    take_in(invoke, *session("2025-01-01T00:30:00Z", "2025-01-01T02:00:00Z"), at=NOW)
    assert invoke("meter", "run", at=NOW).ok().stdout == ran(1, 0, 4, NOW)
    assert invoke("meter", "run", at=NOW).ok().stdout == ran(0, 0, 0, NOW)


def test_a_rehearsal_keeps_nothing(invoke: Invoke) -> None:
    take_in(invoke, *session("2025-01-01T00:30:00Z", "2025-01-01T02:00:00Z"), at=NOW)
    for _ in range(2):
        rehearsed = invoke("meter", "run", "--dry-run", at=NOW).ok()
        assert rehearsed.stdout == ran(1, 0, 4, NOW)
        assert rehearsed.stderr == "nothing was kept: this was a rehearsal\n"
    assert invoke("config", "history", at=NOW).stderr == (
        "nothing is recorded before the first run\n"
    )


def test_until_goes_no_further_and_never_back(invoke: Invoke) -> None:
    take_in(invoke, event("created", "2025-01-01T00:00:00Z"), at=NOW)
    early = "2025-01-01T05:30:00Z"
    assert invoke("meter", "run", "--until", early, at=NOW).ok().stdout == ran(1, 0, 12, early)
    before = "2025-01-01T01:00:00Z"
    assert invoke("meter", "run", "--until", before, at=NOW).ok().stdout == ran(0, 0, 0, early)
    offset = invoke("meter", "run", "--until", "2025-01-01T08:00:00+02:00", at=NOW).ok()
    assert "Metered until: 2025-01-01T06:00:00Z\n" in offset.stdout
    by_user = invoke("usage", "--period", "2025-01", "-o", "csv", at=NOW).ok()
    assert by_user.stdout.splitlines()[1:] == [
        "ann,cpu,6.00,core-hours,0.05,0.30",
        "ann,memory,12.00,gb-hours,0.01,0.12",
    ]


@pytest.mark.parametrize(
    ("until", "error", "hint"),
    [
        (
            "2025-02-10T00:00:01Z",
            "--until 2025-02-10T00:00:01Z lies in the future",
            "usage is metered up to now at most; --at moves what now is",
        ),
        (
            "yesterday",
            "--until: 'yesterday' is not an RFC 3339 time such as 2025-01-01T00:00:00Z",
            "write it as RFC 3339 with a zone, such as 2025-01-01T00:00:00Z",
        ),
        (
            "2025-01-01T00:00:00",
            (
                "--until: '2025-01-01T00:00:00' has no time zone: "
                "add Z for UTC, or an offset such as +02:00"
            ),
            "write it as RFC 3339 with a zone, such as 2025-01-01T00:00:00Z",
        ),
    ],
)
def test_until_is_an_instant_of_the_past(
    sqlite_invoke: Invoke, until: str, error: str, hint: str
) -> None:
    result = sqlite_invoke("meter", "run", "--until", until, at=NOW)
    assert result.exit_code == 2
    assert (result.stdout, result.stderr) == ("", f"error: {error}\nhint: {hint}\n")


def test_at_moves_what_now_is(invoke: Invoke) -> None:
    take_in(invoke, *session("2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z"), at=NOW)
    for moment, state in (
        ("2024-12-31T23:59:59Z", None),
        ("2025-01-01T00:00:00Z", "running"),
        ("2025-01-01T23:59:59Z", "running"),
        ("2025-01-02T00:00:00Z", "ended"),
        ("2095-01-01T00:00:00Z", "ended"),
    ):
        listed = invoke("meter", "sessions", "-o", "json", at=moment).ok().json()
        assert [row["state"] for row in listed] == [state] * (state is not None)
        active = invoke("meter", "sessions", "--active", "-o", "json", at=moment).ok().json()
        assert len(active) == (state == "running")


STORY = [
    event(
        "created",
        "2025-01-01T00:00:00Z",
        resources={"cpu": "1500m", "memory": "512Mi", "storage": "10Gi"},
    ),
    event("hibernated", "2025-01-01T02:00:00.75Z"),
    event("woken", "2025-01-01T04:00:00Z"),
    event("terminated", "2025-01-01T05:00:00Z", user="eve"),
]


def test_show_tells_the_story_of_a_session(invoke: Invoke) -> None:
    take_in(invoke, *STORY, at=NOW)
    assert invoke("meter", "show", "s1", at=NOW).ok().stdout == (
        """\
Session id: s1
User id:    ann
State:      ended
Until:      2025-02-10T00:00:00Z
Total cost: 0.2467204301
Currency:   USD

Timeline

Start time            End time              State      Cores    GB    Disk GB
--------------------  --------------------  -------  -------  ----  ---------
2025-01-01T00:00:00Z  2025-01-01T02:00:00Z  running     1.50  0.50      10.00
2025-01-01T02:00:00Z  2025-01-01T04:00:00Z  stopped     0.00  0.00      10.00
2025-01-01T04:00:00Z  2025-01-01T05:00:00Z  running     1.50  0.50      10.00

Usage

Resource type        Quantity  Unit          Unit price    Total cost
---------------  ------------  ----------  ------------  ------------
cpu                      4.50  core-hours          0.05         0.225
memory                   1.50  gb-hours            0.01         0.015
storage          0.0672043011  gb-months            0.1  0.0067204301

Anomalies

Time                  Kind          Event id                                Detail
--------------------  ------------  --------------------------------------  \
-----------------------------------------------------
2025-01-01T05:00:00Z  user_changed  s1/2025-01-01T05:00:00Z/terminated/eve  \
the session stays with the user of its earliest event
"""
    )


def test_show_goes_up_to_now(sqlite_invoke: Invoke) -> None:
    take_in(sqlite_invoke, *STORY, at=NOW)
    shown = sqlite_invoke("meter", "show", "s1", "-o", "json", at="2025-01-01T03:00:00Z").json()
    assert (shown["state"], len(shown["timeline"])) == ("stopped", 2)
    assert shown["timeline"][1]["end_time"] == "2025-01-01T03:00:00Z"
    shown = sqlite_invoke("meter", "show", "s1", "-o", "json", at="2024-01-01T00:00:00Z").json()
    assert (shown["state"], shown["timeline"], shown["total_cost"]) == ("not begun", [], "0.00")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["show", "nobody's"], 'there is no session "nobody\'s"'),
        (["anomalies", "--session", "x"], "there is no session 'x'"),
        (["anomalies", "--user", "x"], "there is no user 'x'"),
        (["sessions", "--user", "x"], "there is no user 'x'"),
    ],
)
def test_unknown_names_are_not_found(
    sqlite_invoke: Invoke, arguments: list[str], error: str
) -> None:
    take_in(sqlite_invoke, *STORY, at=NOW)
    result = sqlite_invoke("meter", *arguments, at=NOW)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: {error}\nhint: ")


@pytest.mark.parametrize(
    "command",
    [
        ["meter", "ingest", "none.jsonl"],
        ["meter", "run"],
        ["invoice", "generate"],
        ["invoice", "finalize", "1"],
    ],
)
def test_switched_off_it_does_nothing_and_says_so(
    sqlite_invoke: Invoke, command: list[str]
) -> None:
    sqlite_invoke.configure(enabled=False)
    result = sqlite_invoke(*command, at=NOW).ok()
    assert result.stdout == ""
    assert result.stderr == (
        'billing is switched off ("enabled": false in the config file): nothing was done\n'
    )
