"""``billing meter ingest``: every good line goes in, every bad one is named and kept."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from tests.commands.support import event, written

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


def summary(accepted: int, duplicate: int, rejected: int, files: int = 1) -> str:
    return (
        f"Files:     {files}\nAccepted:  {accepted}\n"
        f"Duplicate: {duplicate}\nRejected:  {rejected}\n"
    )


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
MANY = "".join(
    event("heartbeat", f"2025-01-01T00:{m:02}:{s:02}Z") + "\n" for m in range(60) for s in range(60)
).encode()
CUT_OFF = gzip.compress(MANY, mtime=0)[:9_000]
FILES = {
    "invalid UTF-8": (
        "e.jsonl",
        b'{"event": "\xff"}\n' + GOOD,
        "warning: e.jsonl:1: not UTF-8: byte 0xff at position 12\n",
        2,
    ),
    "UTF-16": (
        "e.jsonl",
        GOOD.decode().encode("utf-16"),
        "warning: e.jsonl: it is UTF-16: convert it to UTF-8 first\n",
        0,
    ),
    "not gzip after all": (
        "e.jsonl.gz",
        b"\x1f\x8bnonsense",
        (
            "warning: e.jsonl.gz: its gzip data is damaged "
            "(Error -3 while decompressing data: unknown compression method)\n"
        ),
        0,
    ),
    "CSV without a header": (
        "e.csv",
        b"session.created,2025-01-01T00:00:00Z,s1,ann\n",
        (
            "warning: e.csv:1: there is no header: the first row has to name the columns, "
            "for instance event,timestamp,session,user\n"
        ),
        0,
    ),
    "CSV with a short row": (
        "e.csv",
        (
            b"event,timestamp,session,user\nsession.created,2025-01-01T00:00:00Z,s1\n"
            b"session.created,2025-01-01T00:00:00Z,s1,ann\n"
        ),
        "warning: e.csv:2: the header has 4 cells, the row 3\n",
        1,
    ),
    "array that is not closed": (
        "e.json",
        f"[{FIRST},\n{LAST}".encode(),
        (
            "warning: e.json:2: the array that starts in line 1 is not closed: "
            "it is cut off, or still being written\n"
        ),
        2,
    ),
}


@pytest.mark.parametrize(("name", "content", "complaint", "accepted"), FILES.values(), ids=FILES)
def test_a_bad_file_is_named_and_its_good_lines_taken(
    sqlite_invoke: Invoke, name: str, content: bytes, complaint: str, accepted: int
) -> None:
    (sqlite_invoke.work / name).write_bytes(content)
    result = sqlite_invoke("meter", "ingest", name, at=NOW)
    assert result.exit_code == 5
    assert result.stdout == summary(accepted, 0, 1)
    assert result.stderr.startswith(complaint)
    assert "error: 1 rejected; " in result.stderr


def test_a_truncated_gzip_gives_what_it_holds_and_the_whole_one_the_rest(
    sqlite_invoke: Invoke,
) -> None:
    path = sqlite_invoke.work / "e.jsonl.gz"
    path.write_bytes(CUT_OFF)
    result = sqlite_invoke("meter", "ingest", path.name, "-o", "json", at=NOW)
    assert result.exit_code == 5
    accepted = result.json()["accepted"]
    assert 0 < accepted < 3_600
    assert result.stderr.startswith(
        f"warning: e.jsonl.gz:{accepted + 1}: its gzip data ends too early: "
        "it is cut off, or still being written\n"
    )
    path.write_bytes(gzip.compress(MANY))
    again = sqlite_invoke("meter", "ingest", path.name, at=NOW).ok()
    assert again.stdout == summary(3_600 - accepted, accepted, 0)
    assert sqlite_invoke("meter", "rejected", "list").stderr == "nothing is rejected\n"


@pytest.mark.parametrize(
    "content", [b"", b"\n \n\r\n", gzip.compress(b"")], ids=["nothing", "blank", "gzip"]
)
def test_an_empty_file_is_no_error(sqlite_invoke: Invoke, content: bytes) -> None:
    (sqlite_invoke.work / "e.jsonl").write_bytes(content)
    result = sqlite_invoke("meter", "ingest", "e.jsonl", at=NOW).ok()
    assert result.stdout == summary(0, 0, 0)
    assert result.stderr == "e.jsonl: there are no events in it\n"


def test_a_directory_is_not_taken_for_a_file(sqlite_invoke: Invoke) -> None:
    (sqlite_invoke.work / "folder").mkdir()
    result = sqlite_invoke("meter", "ingest", "folder", at=NOW)
    assert result.exit_code == 5
    assert result.stderr == (
        "warning: folder: it is a directory: name the files in it, for instance with a pattern\n"
        "error: 1 rejected; nothing taken\n"
        "hint: mend what is named above, and ingest it again\n"
    )


@pytest.mark.parametrize("name", ["none.jsonl", "none*.jsonl"])
def test_a_missing_file_is_not_found(sqlite_invoke: Invoke, name: str) -> None:
    result = sqlite_invoke("meter", "ingest", name, at=NOW)
    assert result.exit_code == 3
    assert result.stdout == summary(0, 0, 1)
    assert result.stderr == (
        f"warning: {name}: there is no such file\nerror: no such file\nhint: check the names\n"
    )


def test_a_missing_file_among_others_stops_none(sqlite_invoke: Invoke) -> None:
    written(sqlite_invoke.work / "a.jsonl", FIRST)
    result = sqlite_invoke("meter", "ingest", "none.jsonl", "a.jsonl", at=NOW)
    assert result.exit_code == 5
    assert result.stdout == summary(1, 0, 1, files=2)
    assert "warning: none.jsonl: there is no such file\n" in result.stderr


def test_a_line_of_ten_megabytes_is_a_line(sqlite_invoke: Invoke) -> None:
    big = event("heartbeat", "2025-01-01T00:00:01Z", note="x" * 10_000_000)
    written(sqlite_invoke.work / "e.jsonl", FIRST, big, "y" * 10_000_000, LAST)
    result = sqlite_invoke("meter", "ingest", "e.jsonl", at=NOW)
    assert result.exit_code == 5
    assert result.stdout == summary(3, 0, 1)
    assert result.stderr.startswith(
        "warning: e.jsonl:3: not JSON: expecting value at character 1\n"
    )
    assert len(sqlite_invoke("meter", "rejected", "export").stdout) == 10_000_001
    (listed,) = sqlite_invoke("meter", "rejected", "list", "-o", "json").json()
    assert listed["content"] == "y" * 200 + "… (10,000,000 bytes)"


def test_a_line_of_twenty_megabytes_is_kept_in_part(sqlite_invoke: Invoke) -> None:
    written(sqlite_invoke.work / "e.jsonl", FIRST, "y" * 20_000_000, LAST)
    result = sqlite_invoke("meter", "ingest", "e.jsonl", at=NOW)
    assert result.exit_code == 5
    assert result.stdout == summary(2, 0, 1)
    assert result.stderr.startswith(
        "warning: e.jsonl:2: it is longer than 16 MiB; only its first 64 KiB are kept\n"
    )


def test_a_file_still_being_written_is_taken_up_where_it_was_left(invoke: Invoke) -> None:
    """The unfinished end is kept while it grows, and forgotten when it is a whole line."""
    path = invoke.work / "e.jsonl"
    for finished in (40, 80):
        path.write_text(f"{FIRST}\n{LAST[:finished]}", encoding="utf-8")
        result = invoke("meter", "ingest", "e.jsonl", at=NOW)
        assert result.exit_code == 5
        assert result.stderr.startswith(
            "warning: e.jsonl:2: the last line is not complete; if the file is still being "
            "written, ingest it again later (not JSON: "
        )
        (kept,) = invoke("meter", "rejected", "list", "-o", "json").json()
        assert (kept["line"], kept["content"]) == (2, LAST[:finished])
    written(path, FIRST, LAST, "{}")
    assert invoke("meter", "ingest", "e.jsonl", at=NOW).stdout == summary(1, 1, 1)
    (kept,) = invoke("meter", "rejected", "list", "-o", "json").json()
    assert (kept["line"], kept["content"]) == (3, "{}")


def test_an_unfinished_line_that_ends_badly_is_one_rejection(sqlite_invoke: Invoke) -> None:
    sqlite_invoke("meter", "ingest", stdin='{"event":', at=NOW)
    sqlite_invoke("meter", "ingest", stdin='{"event": 7}\n', at=NOW)
    (kept,) = sqlite_invoke("meter", "rejected", "list", "-o", "json").json()
    assert kept["reason"] == "event: must be a text, not a number"


def test_another_stream_does_not_finish_the_line_of_an_earlier_one(sqlite_invoke: Invoke) -> None:
    cut = event("created", "2025-01-05T00:00:00Z", "lost")[:60]
    sqlite_invoke("meter", "ingest", stdin=cut, at=NOW)
    sqlite_invoke("meter", "ingest", stdin=f"{FIRST}\n{LAST}\n", at=NOW).ok()
    (kept,) = sqlite_invoke("meter", "rejected", "list", "-o", "json").json()
    assert kept["content"] == cut


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
