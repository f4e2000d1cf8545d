"""Event files: every layout, in any chunks, and everything that can be wrong with one."""

from __future__ import annotations

import gzip
import io
import json
import os
import tracemalloc
import zlib
from typing import TYPE_CHECKING, BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_cli.gateway.event_bytes import BrokenInputError, read_chunks
from billing_cli.gateway.event_csv import split_csv
from billing_cli.gateway.event_files import (
    BadLine,
    FileProblem,
    Line,
    ProblemKind,
    expand_inputs,
    read_lines,
)
from billing_cli.gateway.event_json import split_json
from billing_cli.gateway.event_lines import KEPT_BYTES, split_lines
from billing_cli.pricing.events import Rejected, parse_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from billing_cli.gateway.event_lines import Found

MIB = 2**20
WEBHOOK = b'{"event":"session.started","timestamp":"2025-01-01T00:00:00Z","data":{"id":"s"}}'


def read(content: bytes, fmt: str = "auto") -> list[Found]:
    """Return what a stream of ``content`` holds."""
    return list(read_lines(io.BytesIO(content), fmt))


def raws(found: Iterable[Found]) -> list[bytes]:
    """Return the texts of the lines, which must be all there is."""
    lines = list(found)
    assert all(isinstance(line, Line) for line in lines), lines
    return [line.raw for line in lines]


def chunked(content: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """Yield ``content`` in pieces of ``sizes``, the last of them over and over."""
    position, size = 0, 1
    ends = iter(sizes)
    while position < len(content):
        size = next(ends, size)
        yield content[position : position + size]
        position += size


# --- one object a line ---


def test_lines_are_numbered_and_blank_ones_counted() -> None:
    """Line ends of both kinds are fine, as is a last line without one."""
    assert read(b'{"a":1}\n\n  \r\n{"a":2}\r\n\n[3]', "jsonl") == [
        Line(1, b'{"a":1}', complete=True),
        Line(4, b'{"a":2}\r', complete=True),
        Line(6, b"[3]", complete=True),
    ]


def test_a_line_that_breaks_off_is_marked() -> None:
    """It may still be being written; what is merely wrong inside the file is not."""
    assert read(b'{"a":\n{"a":1}\n{"a":', "jsonl") == [
        Line(1, b'{"a":', complete=True),
        Line(2, b'{"a":1}', complete=True),
        Line(3, b'{"a":', complete=False),
    ]


def test_a_byte_order_mark_is_skipped() -> None:
    """That of UTF-8 says nothing; that of UTF-16 says what to do."""
    for content in (b'{"a":1}\n', b'[{"a":1}]', b"event,id\nx,1\n"):
        assert read(b"\xef\xbb\xbf" + content) == read(content)
    (problem,) = read('{"a":1}\n'.encode("utf-16"))
    assert isinstance(problem, FileProblem)
    assert problem.kind is ProblemKind.ENCODING
    assert "UTF-16" in problem.reason


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf", gzip.compress(b"", mtime=0)])
def test_an_empty_file_says_so(content: bytes) -> None:
    """Nothing in it is a finding of its own, which the caller may take lightly."""
    for fmt in ("auto", "jsonl", "json", "csv"):
        assert read(content, fmt) == [FileProblem(0, ProblemKind.EMPTY, "it is empty")]


def test_a_long_line_is_whole_and_a_monster_is_cut() -> None:
    """Up to 16 MiB all of a line is passed on; beyond, its beginning, and the rest goes on."""
    long = b'{"a":"' + b"x" * 10_000_000 + b'"}'
    monster = b"y" * (16 * MIB + 1)
    found = read(WEBHOOK + b"\n" + long + b"\n" + monster + b"\n" + WEBHOOK + b"\n", "jsonl")
    assert found[0] == Line(1, WEBHOOK, complete=True)
    assert found[1] == Line(2, long, complete=True)
    assert found[2] == BadLine(
        3, b"y" * KEPT_BYTES, "it is longer than 16 MiB; only its first 64 KiB are kept"
    )
    assert found[3:] == [Line(4, WEBHOOK, complete=True)]
    assert isinstance(read(monster, "jsonl")[0], BadLine)


@pytest.mark.parametrize("start", [b"", b"[", b'[{"a":"', b'{"a":"\\"'])
def test_memory_is_flat_however_long_a_line_is(start: bytes) -> None:
    """A line of 70 MiB costs no more memory than the longest that is passed on whole."""

    def endless() -> Iterator[bytes]:
        yield start
        for _ in range(70):
            yield b"\\\\" + b"x" * (MIB - 2)

    split = split_json if start else split_lines
    tracemalloc.start()
    assert not [found for found in split(endless()) if isinstance(found, Line)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60 * MIB


# --- JSON of other layouts ---


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'[{"a":1},{"a":2}]', [(1, b'{"a":1}'), (1, b'{"a":2}')]),
        (b'[\n {"a":1},\n\n {"a":\n  2}\n]\n', [(2, b'{"a":1}'), (4, b'{"a":\n  2}')]),
        (b'{\n"a":1\n}\n{\n"a":2\n}', [(1, b'{\n"a":1\n}'), (4, b'{\n"a":2\n}')]),
        (b'{"a":{"b":[{}]}}{"c":1}', [(1, b'{"a":{"b":[{}]}}'), (1, b'{"c":1}')]),
        (b'[{"a":"]}\\"["}]', [(1, b'{"a":"]}\\"["}')]),
        (b'[{"a":"\\\\"},{"b":1}]', [(1, b'{"a":"\\\\"}'), (1, b'{"b":1}')]),
        (b"[]\n[{}]\n", [(2, b"{}")]),
        (b'[1, "x,[", {"a":1}, [2]]', [(1, b'1, "x,["'), (1, b'{"a":1}'), (1, b"[2]")]),
        (b'{"a":1}\nnonsense\n{"a":2}', [(1, b'{"a":1}'), (2, b"nonsense"), (3, b'{"a":2}')]),
        (b'[{"a":1 "b"},{"c":2}]', [(1, b'{"a":1 "b"}'), (1, b'{"c":2}')]),
        (b'[\n{"a":"x},\n{"b":1}\n]', [(2, b'{"a":"x}'), (3, b'{"b":1}')]),
        (b'{"a":1}}{"b":1}', [(1, b'{"a":1}'), (1, b"}"), (1, b'{"b":1}')]),
    ],
)
def test_elements_are_told_apart(content: bytes, expected: list[tuple[int, bytes]]) -> None:
    """Arrays, pretty-printed and joined objects; a bad element never takes a good one along."""
    found = read(content, "json")
    assert raws(found) == [raw for _, raw in expected]
    assert [line.number for line in found] == [number for number, _ in expected]


def test_an_array_that_is_not_closed() -> None:
    """What it holds comes out; then the problem, with the line in which it ends."""
    found = read(b'[\n{"a":1},\n{"a":2', "json")
    assert found[:2] == [Line(2, b'{"a":1}', complete=True), Line(3, b'{"a":2', complete=False)]
    (problem,) = found[2:]
    assert isinstance(problem, FileProblem)
    assert (problem.number, problem.kind) == (3, ProblemKind.TRUNCATED)
    assert "the array that starts in line 1 is not closed" in problem.reason


def test_an_element_that_is_too_long() -> None:
    """It is cut, and those around it are read."""
    monster = b'{"a":"' + b'x\\"' + b"y" * (17 * MIB) + b'"}'
    found = read(b'[{"a":1},\n' + monster + b',\n{"a":2}]', "json")
    assert found[0] == Line(1, b'{"a":1}', complete=True)
    assert isinstance(found[1], BadLine)
    assert (found[1].number, found[1].raw) == (2, monster[:KEPT_BYTES])
    assert found[2:] == [Line(3, b'{"a":2}', complete=True)]


# --- CSV ---


def rows(content: str) -> list[object]:
    """Return the rows of a CSV text as objects, bad ones as their reasons."""
    found = read(content.encode(), "csv")
    return [json.loads(line.raw) if isinstance(line, Line) else line.reason for line in found]


def test_a_webhook_in_columns() -> None:
    """Dotted names nest, short ones stand for their places, empty cells are absent."""
    assert rows(
        "event,timestamp,Session,USER,state,cpu,memory,data.resources.storage,note\n"
        "session.created,2025-01-01T00:00:00Z,s1,john,,2,4Gi,10Gi,\n"
    ) == [
        {
            "event": "session.created",
            "timestamp": "2025-01-01T00:00:00Z",
            "data": {
                "id": "s1",
                "user": "john",
                "resources": {"cpu": "2", "memory": "4Gi", "storage": "10Gi"},
            },
        }
    ]


def test_the_other_forms_in_columns() -> None:
    """The columns tell the form; its own names and the short ones both work."""
    assert rows(
        "id,session_id,userId,event_type,timestamp,metadata\n"
        '7,s1,john,session.started,t,"{""cpu"": 1.50}"\n'
        "07,s1,john,session.started,t,{odd\n"
    ) == [
        {
            "id": 7,
            "sessionId": "s1",
            "userId": "john",
            "eventType": "session.started",
            "timestamp": "t",
            "metadata": {"cpu": 1.5},
        },
        {
            "id": "07",
            "sessionId": "s1",
            "userId": "john",
            "eventType": "session.started",
            "timestamp": "t",
            "metadata": "{odd",
        },
    ]
    assert rows("eventType,state,cpu\nx,running,1\n") == [
        {"eventType": "x", "metadata": {"state": "running", "resources": {"cpu": "1"}}}
    ]
    assert rows("SPECVERSION,id,type,session,event\n1.0,5,x,s1,\n") == [
        {"specversion": "1.0", "id": "5", "type": "x", "data": {"id": "s1"}}
    ]


def test_cells_with_quotes_and_line_breaks() -> None:
    """Rows keep the number of the line they start at."""
    found = read(b'event,user\r\n\r\na,"x\n""y"", z"\r\nb,u\r\n', "csv")
    assert [(line.number, json.loads(line.raw)["data"]["user"]) for line in found] == [
        (3, 'x\n"y", z'),
        (5, "u"),
    ]


def test_a_bad_row_costs_no_other() -> None:
    """A wrong number of cells, a lost quote, invalid UTF-8: the rows around them are read."""
    found = read(
        b'event,user\na,1\nb\nc,2,3\nd,"lost\ne,5\nf,\xff\ng,7\nh,"x"y\ni,9\nj',
        "csv",
    )
    assert [(line.number, line.reason if isinstance(line, BadLine) else "") for line in found] == [
        (2, ""),
        (3, "the header has 2 cells, the row 1"),
        (4, "the header has 2 cells, the row 3"),
        (5, "the row is not readable as CSV: ',' expected after '\"'"),
        (6, ""),
        (7, "the row is not UTF-8"),
        (8, ""),
        (9, "the row is not readable as CSV: ',' expected after '\"'"),
        (10, ""),
        (11, "the header has 2 cells, the row 1"),
    ]
    assert [line.number for line in found if not cast("Line | BadLine", line).complete] == [11]
    assert [line.raw for line in found if isinstance(line, BadLine)] == [
        b"b", b"c,2,3", b'd,"lost', b"f,\xff", b'h,"x"y', b"j",
    ]  # fmt: skip


def test_a_last_row_without_a_line_end_may_be_cut_off() -> None:
    """Unlike a JSON object it cannot prove to be whole, with an id or without."""
    for content in (b"event,user\na,1\nb,jo", b"event,id\na,1\nb,jo", b"event\n1\n2"):
        good, bad = read(content, "csv")
        assert isinstance(good, Line)
        assert good.complete
        assert isinstance(bad, BadLine)
        assert (bad.number, bad.raw, bad.complete) == (3, content.split(b"\n")[2], False)
        assert "end it with a line break" in bad.reason
        assert len(raws(read(content + b"\n", "csv"))) == 2


def test_a_row_that_breaks_off_in_a_quoted_cell() -> None:
    """Wherever it is cut, also behind a line break in the cell, it is marked as the end."""
    content = b'event,user\na,1\nb,"x\ny\nz"\n'
    for size in range(len(b"event,user\na,1\n") + 1, len(content)):
        good, *rest = read(content[:size], "csv")
        assert isinstance(good, Line)
        assert all(isinstance(bad, BadLine) and not bad.complete for bad in rest), rest
        assert rest[0].number == 3
        assert content.startswith(rest[0].raw, len(b"event,user\na,1\n"))


def test_a_row_comes_with_what_is_written_there() -> None:
    """For comparing it with what an earlier reading saw of it."""
    found = read(b'event,user\r\na,"x\ny"\r\nb,u\n', "csv")
    assert [cast("Line", line).written for line in found] == [b'a,"x\ny"\r', b"b,u"]
    assert cast("Line", read(WEBHOOK)[0]).written == WEBHOOK


def test_a_header_that_breaks_off_is_not_kept() -> None:
    """Nothing would recognise it when it is whole."""
    for content in (b"ev", b'"event', b"event,us\xc3"):
        (problem,) = read(content, "csv")
        assert isinstance(problem, FileProblem)
        assert (problem.number, problem.kind, problem.raw) == (1, ProblemKind.HEADER, b"")
    (problem,) = read(gzip.compress(b"event,user\n", mtime=0)[:-12], "csv")
    assert isinstance(problem, FileProblem)
    assert (problem.kind, problem.raw) == (ProblemKind.TRUNCATED, b"")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"session.created,2025-01-01T00:00:00Z,s1\n", "there is no header"),
        (b"\xff,event\n", "there is no header"),
        (b'"event\n', "there is no header"),
        (b"id,timestamp,user\n", "none of the columns event, eventType and specversion"),
        (b"event,user,data.user\n", "two columns of the header mean the same: data.user"),
        (b"event,data,data.user\n", "two columns of the header mean the same: data.user"),
    ],
)
def test_a_header_is_needed(content: bytes, reason: str) -> None:
    """Without one that can be understood no row can be."""
    (problem,) = read(content + b"session.started,2025-01-01T00:00:00Z,s1\n", "csv")
    assert isinstance(problem, FileProblem)
    assert (problem.number, problem.kind) == (1, ProblemKind.HEADER)
    assert reason in problem.reason


class Once(io.BytesIO):
    """A stream that can be read once, as a pipe can."""

    def seekable(self) -> bool:
        """Return that it cannot be read again."""
        return False


@pytest.mark.parametrize(
    ("header", "reason"),
    [(b"", "there is no header"), (b"id,user\r\n", "none of the columns event, eventType and")],
)
def test_without_a_header_a_pipe_loses_no_row(header: bytes, reason: str) -> None:
    """A file still holds its rows; those of a pipe are kept, with what stands for their header."""
    content = header + b'1,john\n2,"x"y\n3,mary\n4,jo'
    found = list(read_lines(Once(content), "csv"))
    assert all(isinstance(row, BadLine) for row in found)
    rows = [row for row in found if isinstance(row, BadLine)]
    if header:
        assert (rows[0].raw, rows.pop(0).header) == (b"id,user\r", None)
    assert [row.raw for row in rows] == [b"1,john", b'2,"x"y', b"3,mary", b"4,jo"]
    assert {row.header for row in rows} == {header.rstrip()}
    assert [row.complete for row in rows] == [True, True, True, False]
    assert [reason in row.reason for row in rows] == [True, False, True, True]
    assert len(read(content, "csv")) == 1


@pytest.mark.no_cover
def test_memory_is_flat_however_many_rows_lack_a_header() -> None:
    """Rows are passed on one by one: of these, all at once would take 17 MiB."""
    tracemalloc.start()
    rows = split_csv((b"1,session.created,x\n" * 10_000 for _ in range(10)), once=True)
    assert sum(isinstance(row, BadLine) for row in rows) == 100_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * MIB


def test_csv_rows_become_events() -> None:
    """What comes out of a row is read as the same event in JSON would be."""
    (line,) = read(
        b"id,event,timestamp,user,session,cpu\ne1,session.created,2025-01-01T00:00:00Z,u,s,500m\n"
    )
    assert parse_event(line.raw)[:11] == (
        "webhook", "e1", "session.created", "s", "u", 1_735_689_600, "", None, 500, None, None,
    )  # fmt: skip


# --- formats, files and streams ---


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (WEBHOOK + b"\n" + WEBHOOK, 2),
        (b'{"event": broken\n' + WEBHOOK + b"\n" + WEBHOOK, 3),
        (b" [" + WEBHOOK + b",\n" + WEBHOOK + b"]", 2),
        (json.dumps(json.loads(WEBHOOK), indent=1).encode() * 3, 3),
        (WEBHOOK + WEBHOOK, 2),
        (b"user,event\nu,a\nv,b\n", 2),
        (b"some text\nand more\n", 2),
        (b"\xff\xfd\n", 1),
        (b"5\n", 1),
    ],
)
def test_the_content_tells_the_format(content: bytes, count: int) -> None:
    """Without an extension the beginning decides, in one piece or byte by byte."""
    found = read(content)
    assert len(found) == count
    assert list(read_lines(Dripping(content))) == found


class Dripping(io.BytesIO):
    """A stream that gives one byte at a time, as a slow pipe may."""

    def read1(self, size: int | None = -1, /) -> bytes:
        """Return a byte, whatever is asked for."""
        del size
        return super().read(1)


def test_the_extension_comes_before_the_content(tmp_path: Path) -> None:
    """With .gz or without; a .json file may have an object a line."""
    array = b"[" + WEBHOOK + b"]\n"
    for name, content, expected in [
        ("a.jsonl", array, array.strip()),
        ("a.NDJSON.GZ", gzip.compress(array), array.strip()),
        ("a.json", array, WEBHOOK),
        ("b.json", WEBHOOK + b"\n", WEBHOOK),
        ("a.json.gz", gzip.compress(array), WEBHOOK),
        ("a.csv", b"event\nx\n", b'{"event":"x"}'),
        ("a.log", gzip.compress(array), WEBHOOK),
    ]:
        (tmp_path / name).write_bytes(content)
        assert raws(read_lines(tmp_path / name)) == [expected], name


def test_what_is_no_readable_file(tmp_path: Path) -> None:
    """Missing, a directory and unreadable are told apart, and nothing is raised."""
    unreadable = tmp_path / "loop"
    unreadable.symlink_to(unreadable)
    for path, kind in [
        (tmp_path / "none", ProblemKind.MISSING),
        (tmp_path, ProblemKind.DIRECTORY),
        (unreadable, ProblemKind.UNREADABLE),
    ]:
        (problem,) = read_lines(path)
        assert isinstance(problem, FileProblem)
        assert (problem.number, problem.kind) == (0, kind)
        assert problem.reason.startswith(("there is no", "it is a", "it cannot be read"))


def test_a_stream_that_fails_while_it_is_read() -> None:
    """What came before is kept."""

    class Failing(io.BytesIO):
        def read1(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise OSError(5, os.strerror(5))
            return super().read1(size)

    assert list(read_lines(Failing(WEBHOOK + b"\n" + b'{"half'))) == [
        Line(1, WEBHOOK, complete=True),
        FileProblem(2, ProblemKind.UNREADABLE, "it cannot be read: Input/output error", b'{"half'),
    ]


@pytest.mark.parametrize("layout", ["jsonl", "json", "csv"])
def test_a_truncated_gzip_gives_its_good_lines(layout: str, tmp_path: Path) -> None:
    """Cut at any place, all whole lines before the cut come out, then the problem."""
    texts = [b'{"event":"e%d","timestamp":"%d"}' % (n, n * n) for n in range(300)]
    content = {
        "jsonl": b"\n".join(texts),
        "json": b"[" + b",\n".join(texts) + b"]",
        "csv": b"event,timestamp\n" + b"".join(b"e%d,%d\n" % (n, n * n) for n in range(300)),
    }[layout]
    packed = gzip.compress(content)
    path = tmp_path / "cut.gz"
    counts = []
    for size in [2, 5, 30, *range(100, len(packed), 97), len(packed) - 1]:
        path.write_bytes(packed[:size])
        *lines, problem = read_lines(path, layout)
        assert raws(lines) == texts[: len(lines)]
        assert isinstance(problem, FileProblem)
        assert problem.kind is ProblemKind.TRUNCATED
        counts.append(len(lines))
        if lines:
            assert lines[-1].number <= problem.number <= lines[-1].number + 2
    assert counts == sorted(counts)
    assert counts[-1] == 300
    path.write_bytes(packed)
    assert raws(read_lines(path, layout)) == texts


def test_damaged_gzip() -> None:
    """A wrong checksum and what is not gzip behind it are found; padding is no problem."""
    packed = gzip.compress(WEBHOOK + b"\n")
    joined = read(packed + packed + b"\0" * 512)
    assert raws(joined) == [WEBHOOK, WEBHOOK]
    for damaged in (packed[:-8] + b"12345678", packed + b"rest", packed[:10] + b"\xff" * 40):
        *lines, problem = read(damaged)
        assert isinstance(problem, FileProblem)
        assert problem.kind is ProblemKind.DAMAGED
        assert raws(lines) in ([WEBHOOK], [])


@pytest.mark.parametrize("layout", ["jsonl", "json", "csv"])
def test_gzip_with_a_wrong_checksum_gives_all_its_lines(layout: str) -> None:
    """The problem names the last of them, for it is found behind it; nothing else is kept."""
    texts = [b'{"event":"e%d","timestamp":"%d"}' % (n, n * n) for n in range(5_001)]
    rows = [b"e%d,%d" % (n, n * n) for n in range(5_001)]
    lines = {"jsonl": texts, "json": texts, "csv": [b"event,timestamp", *rows]}[layout]
    packed = gzip.compress(b"\n".join(lines) + b"\n")
    for damaged in (
        packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:],
        packed[:-4] + bytes([packed[-4] ^ 1]) + packed[-3:],
    ):
        *good, problem = read(damaged, layout)
        assert raws(good) == texts
        assert isinstance(problem, FileProblem)
        assert (problem.number, problem.kind) == (len(lines), ProblemKind.DAMAGED)
        assert problem.raw == b""


def test_gzip_damaged_in_the_middle_gives_what_comes_before() -> None:
    """As much as can be unpacked, however much of the file was handed on at once."""
    content = b"".join(b"%d\n" % (n * n) for n in range(60_000))
    packed = bytearray(gzip.compress(content))
    middle = len(packed) // 2
    packed[middle : middle + 400] = b"\xff" * 400
    unpacked: list[bytes] = []
    with pytest.raises(BrokenInputError, match="its gzip data is damaged"):
        unpacked.extend(read_chunks(io.BytesIO(packed)))
    found = b"".join(unpacked)
    whole = zlib.decompressobj(31).decompress(packed[:middle])
    assert found.startswith(whole)
    assert content.startswith(whole)
    assert len(content) // 3 < len(whole) < MIB


def test_a_gzip_bomb_is_read_in_bounded_pieces() -> None:
    """However much a little holds, no piece is larger than a chunk."""
    packed = gzip.compress(b"\n" * (64 * MIB))
    assert {len(chunk) for chunk in read_chunks(io.BytesIO(packed))} == {MIB}


def test_inputs_are_expanded(tmp_path: Path) -> None:
    """Globs give files in order, each once; what matches nothing stays to be named."""
    for name in ("b.jsonl", "a.jsonl", "[x].jsonl", "c.csv"):
        (tmp_path / name).touch()
    (tmp_path / "dir.jsonl").mkdir()
    a, b, bracket = (str(tmp_path / name) for name in ("a.jsonl", "b.jsonl", "[x].jsonl"))
    assert expand_inputs([b, str(tmp_path / "*.jsonl"), "-", "-"]) == [b, bracket, a, "-"]
    assert expand_inputs([bracket]) == [bracket]
    for missing in ("no/such.jsonl", "no/*.jsonl", str(tmp_path)):
        assert expand_inputs([missing]) == [missing]
    assert expand_inputs([]) == []


# --- chunks ---

_JSON_PIECES = [b"{", b"}", b"[", b"]", b'"', b"\\", b",", b"\n", b'{"a":1}', b'{"a":"x"}', b"\xff"]
_CSV_PIECES = [b"event", b",", b"\n", b'"', b"user", b"\xff", b"a,b\n", b'"a\n",', b"\r\n"]


@pytest.mark.parametrize(
    ("split", "pieces", "start"),
    [
        (split_lines, _JSON_PIECES, b""),
        (split_json, _JSON_PIECES, b""),
        (split_csv, _CSV_PIECES, b"event,user\n"),
    ],
)
def test_chunks_make_no_difference(
    split: Callable[[Iterable[bytes]], Iterator[Found]], pieces: list[bytes], start: bytes
) -> None:
    """However the bytes arrive, plain or gzipped, the same is read from them."""

    @given(st.lists(st.sampled_from(pieces), max_size=25), st.lists(st.integers(1, 7), min_size=1))
    def check(parts: list[bytes], sizes: list[int]) -> None:
        content = start + b"".join(parts)
        whole = list(split([content]))
        assert list(split(chunked(content, sizes))) == whole
        packed = cast("BinaryIO", Dripping(gzip.compress(content)))
        assert list(split(read_chunks(packed))) == whole

    check()


@given(st.lists(st.binary(max_size=30), max_size=8))
def test_nothing_is_lost(parts: list[bytes]) -> None:
    """Every line that is not blank comes out as it is, in its order and with its number."""
    content = b"\n".join(parts)
    expected = [(n, raw) for n, raw in enumerate(content.split(b"\n"), 1) if raw.strip()]
    assert [(found.number, found.raw) for found in split_lines([content])] == expected


@given(st.binary(max_size=60))
def test_any_bytes_can_be_read(content: bytes) -> None:
    """Whatever a file holds, it is read to its end, and each line is an event or rejected."""
    for found in read(content):
        if isinstance(found, Line):
            with pytest.raises(Rejected):
                parse_event(found.raw)
