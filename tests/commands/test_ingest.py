"""``billing meter ingest``: every good line goes in, every bad one is named and kept."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from tests.commands.support import event, summary, written

if TYPE_CHECKING:
    from tests.command_line import CommandLine, Invoke

NOW = "2025-02-10T00:00:00Z"
FIRST = event("created", "2025-01-01T00:00:00Z")
LAST = event("terminated", "2025-01-02T00:00:00Z")
KEPT_HINT = (
    "hint: billing meter rejected list shows them; mend and ingest again, or retry or drop them\n"
)


def bad(**changes: object) -> str:
    """A good line but for some fields."""
    return json.dumps(json.loads(event("created", "2025-01-01T00:00:00Z", "s2")) | changes)


def sized(**sizes: object) -> str:
    """A good line but for some sizes."""
    return event("created", "2025-01-01T00:00:00Z", "s2", resources=sizes)


BAD_LINES = {
    "not JSON": ("not json", "not JSON: expecting value at character 1"),
    "unquoted": ("{id: 1}", "not JSON: expecting property name enclosed in double quotes at"),
    "NaN": ('{"event": NaN}', "not JSON: NaN is not a JSON number"),
    "array": ("[1, 2]", "not a JSON object but an array"),
    "number": ("7", "not a JSON object but a number"),
    "null": ("null", "not a JSON object but null"),
    "deep": ("[" * 100_000, "not "),
    "control character": ('{"id": "\x1b[31m"}', "not JSON: invalid control character at character"),
    "no form": ("{}", "not a known form: a webhook has an event"),
    "fraction as id": (bad(id=2.5), "id: must be a text or an integer, not a number"),
    "text as data": (bad(data="s2"), "data: must be an object, not a text"),
    "number as user": (bad(data={"id": "s", "user": 7}), "data.user: must be a text, not a number"),
    "list as type": (bad(event=["session.created"]), "event: must be a text, not an array"),
    "no session": (bad(data={"user": "ann"}), "data.id: missing"),
    "no user": (bad(data={"id": "s2"}), "data.user: missing"),
    "no time": (bad(timestamp=None), "timestamp: missing"),
    "no state": (bad(event="state.changed"), "data.state: missing"),
    "no zone": (
        bad(timestamp="2025-01-01T00:00:00"),
        "timestamp: '2025-01-01T00:00:00' has no time zone: add Z for UTC, or an offset",
    ),
    "year 0": (
        bad(timestamp="0000-01-01T00:00:00Z"),
        "timestamp: '0000-01-01T00:00:00Z' is a day that does not exist",
    ),
    "year 1": (
        bad(timestamp="0001-01-01T00:00:00Z"),
        "timestamp: '0001-01-01T00:00:00Z' is before 1970, like Go's zero time",
    ),
    "30 February": (
        bad(timestamp="2025-02-30T00:00:00Z"),
        "timestamp: '2025-02-30T00:00:00Z' is a day that does not exist",
    ),
    "epoch seconds": (bad(timestamp=1735689600), "timestamp: must be a text, not a number"),
    "hostile time": (
        bad(timestamp="\x1b[31m\u202e"),
        r"timestamp: '\x1b[31m\u202e' is not an RFC 3339 time such as 2025-01-01T00:00:00Z",
    ),
    "negative": (sized(cpu="-1"), "data.resources.cpu: '-1' is negative"),
    "absurd cores": (sized(cpu="1e9"), "data.resources.cpu: '1e9' is more than 1,000,000 cores"),
    "absurd memory": (sized(memory="9Ei"), "data.resources.memory: '9Ei' is more than 1 PiB"),
    "no quantity": (sized(storage="lots"), "data.resources.storage: 'lots' is"),
    "boolean size": (sized(cpu=True), "data.resources.cpu: must be a text or a number"),
    "NUL": (bad(data={"id": "a\0b", "user": "ann"}), r"data.id: 'a\x00b' has a NUL character"),
    "long name": (
        bad(data={"id": "s2", "user": "x" * 2000}),
        f"data.user: {'x' * 60!r}... (2,000 characters) is longer than 1,024 bytes",
    ),
}


@pytest.mark.parametrize(("line", "reason"), BAD_LINES.values(), ids=BAD_LINES)
def test_a_bad_line_is_named_and_kept_and_stops_no_other(
    sqlite_invoke: Invoke, line: str, reason: str
) -> None:
    written(sqlite_invoke.work / "events.jsonl", FIRST, line, "", LAST)
    result = sqlite_invoke("meter", "ingest", "events.jsonl", at=NOW)
    assert result.exit_code == 5
    assert result.stdout == summary(2, 0, 1)
    complaint, error, hint = result.stderr.splitlines(keepends=True)
    assert complaint.startswith(f"warning: events.jsonl:2: {reason}")
    assert len(complaint) < 250
    assert error == "error: 1 rejected; everything else was taken\n"
    assert hint == KEPT_HINT
    (kept,) = sqlite_invoke("meter", "rejected", "list", "-o", "json").ok().json()
    assert (kept["file"], kept["line"], kept["rejected_at"]) == ("events.jsonl", 2, NOW)
    assert f"warning: events.jsonl:2: {kept['reason']}\n" == complaint
    assert sqlite_invoke("meter", "rejected", "export").stdout == f"{line}\n"


def test_many_bad_lines_are_counted_and_the_first_shown(invoke: Invoke) -> None:
    result = invoke("meter", "ingest", stdin="{}\n" * 12, at=NOW)
    assert result.exit_code == 5
    assert result.stdout == summary(0, 0, 12)
    lines = result.stderr.splitlines()
    assert [line.split(": ")[1] for line in lines[:10]] == [
        f"standard input:{number}" for number in range(1, 11)
    ]
    assert lines[10:] == [
        "warning: and 2 more",
        "error: 12 rejected; nothing taken",
        KEPT_HINT.rstrip(),
    ]


GOOD = f"{FIRST}\n{LAST}\n".encode()
CSV = (
    "event,timestamp,id,session,user\n"
    "session.created,2025-01-01T00:00:00Z,1,s1,ann\n"
    "session.terminated,2025-01-02T00:00:00Z,2,s1,ann\n"
)
ARRAY = json.dumps(
    [
        {"event": "session.created", "timestamp": "2025-01-01T00:00:00Z", "id": "1",
         "data": {"id": "s1", "user": "ann"}},
        {"event": "session.terminated", "timestamp": "2025-01-02T00:00:00Z", "id": "2",
         "data": {"id": "s1", "user": "ann"}},
    ],
    indent=1,
)  # fmt: skip
LINES = "".join(json.dumps(one) + "\n" for one in json.loads(ARRAY))


def test_layouts_say_the_same(sqlite_invoke: Invoke) -> None:
    """What one layout brought in, all others find there, by file, glob or stream."""
    work = sqlite_invoke.work
    (work / "1.csv").write_text(CSV)
    (work / "2.json").write_text(ARRAY)
    (work / "3.jsonl").write_text(LINES)
    (work / "4.csv.gz").write_bytes(gzip.compress(CSV.encode()))
    (work / "5.json.gz").write_bytes(gzip.compress(ARRAY.encode()))
    (work / "6.log").write_text("\ufeff" + LINES.replace("\n", "\r\n"))
    first = sqlite_invoke("meter", "ingest", "1.csv", at=NOW).ok()
    assert first.stdout == summary(2, 0, 0)
    everything = sqlite_invoke("meter", "ingest", "[2-5].*", "6.log", "6.log", "1.csv", at=NOW)
    assert everything.ok().stdout == summary(0, 12, 0, files=6)
    for stream in (CSV, ARRAY, LINES, gzip.compress(LINES.encode())):
        assert sqlite_invoke("meter", "ingest", "-", stdin=stream).ok().stdout == summary(0, 2, 0)
    forced = sqlite_invoke("meter", "ingest", "--format", "jsonl", stdin=CSV)
    assert forced.exit_code == 5
    assert forced.stderr.startswith("warning: standard input:1: not JSON: ")


def test_the_first_of_two_with_one_id_stays(invoke: Invoke) -> None:
    spelt_otherwise = json.dumps(
        dict(reversed(json.loads(FIRST).items())) | {"timestamp": "2025-01-01T01:00:00.0+01:00"},
        indent=None,
        separators=(" ,", " : "),
    )
    contradiction = json.dumps(json.loads(FIRST) | {"timestamp": "2025-01-01T00:00:01Z"})
    lines = f"{FIRST}\n{spelt_otherwise}\n{contradiction}\n{FIRST}\n"
    for accepted, duplicate in ((1, 2), (0, 3)):
        result = invoke("meter", "ingest", stdin=lines, at=NOW)
        assert result.exit_code == 5
        assert result.stdout == summary(accepted, duplicate, 1)
        assert result.stderr == (
            "warning: standard input:3: another event with this id but other content "
            "is stored already\n"
            "error: 1 rejected; everything else was taken\n" + KEPT_HINT
        )
    (kept,) = invoke("meter", "rejected", "list", "-o", "json").json()
    assert kept["content"] == contradiction
    (row,) = invoke("meter", "sessions", "-o", "json", at=NOW).json()
    assert row["start_time"] == "2025-01-01T00:00:00Z"


def test_strict_takes_all_or_nothing(invoke: Invoke) -> None:
    lines = f"{FIRST}\n{{}}\n{LAST}\n"
    result = invoke("meter", "ingest", "--strict", stdin=lines, at=NOW)
    assert result.exit_code == 5
    assert result.stderr.endswith(
        "error: nothing was taken: 1 rejected and --strict takes all or nothing\n"
        "hint: mend the input, or leave --strict out to take the good lines\n"
    )
    assert_empty(invoke)
    good = invoke("meter", "ingest", "--strict", stdin=GOOD, at=NOW).ok()
    assert (good.stdout, good.stderr) == (summary(2, 0, 0), "")
    assert invoke("meter", "ingest", stdin=GOOD, at=NOW).stdout == summary(0, 2, 0)


@pytest.mark.parametrize("options", [["--dry-run"], ["--dry-run", "--strict"]])
def test_a_rehearsal_keeps_nothing(invoke: Invoke, options: list[str]) -> None:
    good = invoke("meter", "ingest", *options, stdin=GOOD, at=NOW).ok()
    assert good.stdout == summary(2, 0, 0)
    assert good.stderr == "nothing was kept: this was a rehearsal\n"
    result = invoke("meter", "ingest", *options, stdin="{}\n", at=NOW)
    assert result.exit_code == 5
    assert result.stderr.endswith(
        "error: 1 rejected; nothing was kept: this was a rehearsal\n"
        "hint: mend the input, or leave --dry-run out to take the good lines\n"
    )
    assert_empty(invoke)


def assert_empty(run: CommandLine) -> None:
    assert run("meter", "rejected", "list", "-o", "csv").stdout.count("\n") == 1
    assert run("meter", "sessions", "-o", "json", at=NOW).json() == []


def test_contradictions_between_events_are_anomalies(invoke: Invoke) -> None:
    """They are taken, settled by the rules, and listed: none is a rejection."""
    lines = [
        event("terminated", "2025-01-01T00:00:00Z", "backwards"),
        event("created", "2025-01-01T01:00:00Z", "backwards"),
        event("created", "2025-01-01T00:00:00Z", "changes"),
        event("heartbeat", "2025-01-01T02:00:00Z", "changes", "eve"),
        event("terminated", "2025-01-01T03:00:00Z", "changes"),
    ]
    taken = invoke("meter", "ingest", stdin="".join(f"{line}\n" for line in lines), at=NOW).ok()
    assert taken.stdout == summary(5, 0, 0)
    assert invoke("meter", "run", "-o", "json", at=NOW).ok().json()["anomalies"] == 2
    found = invoke("meter", "anomalies", "-o", "json", at=NOW).ok().json()
    assert [(row["session_id"], row["user_id"], row["time"], row["kind"]) for row in found] == [
        ("backwards", "ann", "2025-01-01T00:00:00Z", "end_before_start"),
        ("changes", "ann", "2025-01-01T02:00:00Z", "user_changed"),
    ]
    assert found == invoke("meter", "anomalies", "--user", "ann", "-o", "json", at=NOW).json()
    assert invoke("meter", "anomalies", "--user", "eve", at=NOW).ok().stderr == "no anomalies\n"
