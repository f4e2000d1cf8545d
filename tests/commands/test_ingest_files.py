"""``billing meter ingest``: files that are broken, missing, huge, or still being written."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from billing_cli.services import events
from tests.commands.support import event, summary, written

if TYPE_CHECKING:
    from tests.command_line import Invoke

NOW = "2025-02-10T00:00:00Z"
FIRST = event("created", "2025-01-01T00:00:00Z")
LAST = event("terminated", "2025-01-02T00:00:00Z")
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


@pytest.mark.parametrize(
    ("name", "content", "right", "wrong"),
    [
        ("e.jsonl", f"{FIRST}\n{LAST}\n", "01-02T", "01-32T"),
        ("e.jsonl", f"{FIRST}\n{LAST}\n", '"event"', '"evnt"'),
        ("e.jsonl", f"{FIRST}\n{LAST}\n", "}}\n", "}\n"),
        ("e.json", f"[\n{FIRST},\n{LAST}\n]", "}}\n", "}\n"),
        ("e.json", json.dumps([json.loads(LAST)] * 2, indent=1), '"s1",', '"s1,'),
        ("e.csv", "event,timestamp,session\nx,2025-01-01T00:00:00Z,s\n", "x,", ""),
        ("e.csv", "event,timestamp,session\nx,2025-01-01T00:00:00Z,s\n", "T0", "T9"),
    ],
)
def test_a_line_that_is_mended_in_its_file_is_rejected_no_longer(
    invoke: Invoke, name: str, content: str, right: str, wrong: str
) -> None:
    path = invoke.work / name
    path.write_text(content.replace(right, wrong, 1), encoding="utf-8")
    for _ in range(2):
        assert invoke("meter", "ingest", name, at=NOW).exit_code == 5
    kept = invoke("meter", "rejected", "list", "-o", "json").json()
    path.write_text(content, encoding="utf-8")
    rehearsed = invoke("meter", "ingest", name, "--dry-run", at=NOW).ok()
    assert invoke("meter", "rejected", "list", "-o", "json").json() == kept != []
    assert invoke("meter", "ingest", name, at=NOW).ok().stdout == rehearsed.stdout
    assert invoke("meter", "rejected", "list").stderr == "nothing is rejected\n"


def test_another_file_of_the_name_mends_nothing(sqlite_invoke: Invoke) -> None:
    """What was rejected of the log of yesterday is still to be mended, whatever is there today."""
    path = sqlite_invoke.work / "e.jsonl"
    bad = event("created", "2025-01-32T00:00:00Z", "s7", user="zoe")
    written(path, "nonsense", bad)
    sqlite_invoke("meter", "ingest", "e.jsonl", at=NOW)
    before = sqlite_invoke("meter", "rejected", "list", "-o", "json").json()
    written(path, FIRST, LAST)
    sqlite_invoke("meter", "ingest", "e.jsonl", at=NOW).ok()
    assert sqlite_invoke("meter", "rejected", "list", "-o", "json").json() == before
    assert len(before) == 2


def test_in_a_line_of_several_events_the_one_that_is_still_bad_stays(
    sqlite_invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the others are stored in other batches."""
    monkeypatch.setattr(events, "_BATCH_EVENTS", 1)
    beats = [event("heartbeat", f"2025-01-{day}T00:00:00Z") for day in ("01", "32", "02", "03")]
    (sqlite_invoke.work / "e.json").write_text(f"[{','.join(beats)}]", encoding="utf-8")
    for _ in range(3):
        assert sqlite_invoke("meter", "ingest", "e.json", at=NOW).exit_code == 5
        (kept,) = sqlite_invoke("meter", "rejected", "list", "-o", "json").json()
        assert kept["content"] == beats[1]


HEADER = "event,timestamp,session,user"
ROW = "session.created,2025-01-01T00:00:00Z,s9,john"
NO_LINE_END = (
    "the last line is not complete; if the file is still being written, ingest it again later "
    "(a CSV row without a line break may be cut off: if it is whole, end it with a line break)"
)


@pytest.mark.parametrize("size", [len(ROW) - 2, len(ROW)], ids=["cut", "whole"])
def test_a_csv_row_counts_once_its_line_has_ended(invoke: Invoke, size: int) -> None:
    """Else the session would belong to ``jo``, and be created again by ``john``."""
    path = invoke.work / "c.csv"
    path.write_text(f"{HEADER}\n{ROW[:size]}", encoding="utf-8")
    for _ in range(2):
        result = invoke("meter", "ingest", "c.csv", at=NOW)
        assert result.exit_code == 5
        assert result.stdout == summary(0, 0, 1)
        assert result.stderr.startswith(f"warning: c.csv:2: {NO_LINE_END}\n")
        (kept,) = invoke("meter", "rejected", "list", "-o", "json").json()
        assert (kept["line"], kept["reason"]) == (2, NO_LINE_END)
        assert kept["content"] == ROW[:size]
    written(path, HEADER, ROW)
    assert invoke("meter", "ingest", "c.csv", at=NOW).ok().stdout == summary(1, 0, 0)
    assert invoke("meter", "rejected", "list").stderr == "nothing is rejected\n"
    assert invoke("meter", "anomalies", at=NOW).ok().stdout.count("john") == 0
    (row,) = invoke("meter", "sessions", "-o", "json", at=NOW).json()
    assert row["user_id"] == "john"


def test_a_csv_file_that_is_read_while_it_grows_ends_up_as_if_read_once(
    sqlite_invoke: Invoke,
) -> None:
    """Wherever each reading stops: in the header, a cell, a quoted line break, a character."""
    path = sqlite_invoke.work / "c.csv"
    content = f'{HEADER},note\n{ROW},\nsession.stopped,2025-01-02T00:00:00Z,s9,,"a\n,é\nb"\n'
    whole = content.encode()
    for size in [*range(0, len(whole), 7), len(whole) - 1]:
        path.write_bytes(whole[:size])
        sqlite_invoke("meter", "ingest", "c.csv", at=NOW)
    path.write_bytes(whole)
    assert sqlite_invoke("meter", "ingest", "c.csv", at=NOW).ok().stdout == summary(1, 1, 0)
    assert sqlite_invoke("meter", "rejected", "list").stderr == "nothing is rejected\n"


def test_a_csv_row_that_ends_badly_is_one_rejection(sqlite_invoke: Invoke) -> None:
    for end in ("", "\n"):
        path = sqlite_invoke.work / "c.csv"
        path.write_text(f"{HEADER}\nsession.created,2025-01-01T00:00:00Z{end}", encoding="utf-8")
        assert sqlite_invoke("meter", "ingest", "c.csv", at=NOW).exit_code == 5
    (kept,) = sqlite_invoke("meter", "rejected", "list", "-o", "json").json()
    assert kept["reason"] == "the header has 4 cells, the row 2"


@pytest.mark.parametrize("name", ["c.csv.gz", "e.jsonl.gz"])
def test_a_truncated_file_of_any_layout_leaves_nothing_behind_once_whole(
    sqlite_invoke: Invoke, name: str
) -> None:
    lines = [f"session.heartbeat,2025-01-01T00:00:{n:02}Z,s9,john" for n in range(60)]
    text = "\n".join([HEADER, *lines, ""]).encode() if name == "c.csv.gz" else MANY
    packed = gzip.compress(text, mtime=0)
    path = sqlite_invoke.work / name
    for size in range(20, len(packed), len(packed) // 9):
        path.write_bytes(packed[:size])
        assert sqlite_invoke("meter", "ingest", name, at=NOW).exit_code == 5
    path.write_bytes(packed)
    sqlite_invoke("meter", "ingest", name, at=NOW).ok()
    assert sqlite_invoke("meter", "rejected", "list").stderr == "nothing is rejected\n"


def test_a_gzip_with_a_wrong_checksum_gives_all_its_lines(sqlite_invoke: Invoke) -> None:
    packed = gzip.compress(MANY, mtime=0)
    (sqlite_invoke.work / "e.jsonl.gz").write_bytes(packed[:-8] + b"\0\0\0\0" + packed[-4:])
    result = sqlite_invoke("meter", "ingest", "e.jsonl.gz", at=NOW)
    assert result.exit_code == 5
    assert result.stdout == summary(3_600, 0, 1)
    assert result.stderr == (
        "warning: e.jsonl.gz:3600: its gzip data is damaged "
        "(Error -3 while decompressing data: incorrect data check)\n"
        "error: 1 rejected; everything else was taken\n"
        "hint: mend what is named above, and ingest it again\n"
    )
