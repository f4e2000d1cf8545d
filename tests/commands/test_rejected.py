"""``billing meter rejected``: what was rejected can be seen, mended, tried again and dropped."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from billing_cli.gateway.event_rows import read_row
from billing_cli.pricing.events import Rejected
from billing_cli.services import events
from tests.commands.support import event, summary, written

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command_line import Billing, Invoke

NOW = "2025-02-10T00:00:00Z"
REHEARSED = "nothing was kept: this was a rehearsal\n"
HEADER = "event,id,timestamp,session,user"
GOOD = event("created", "2025-01-01T00:00:00Z")


def test_what_is_listed_is_by_file_and_line(invoke: Invoke) -> None:
    written(invoke.work / "b.jsonl", "7")
    written(invoke.work / "a.jsonl", GOOD, "{}", '"\x1b[31m"')
    invoke("meter", "ingest", "b.jsonl", "a.jsonl", at=NOW)
    listed = invoke("meter", "rejected", "list", "-o", "csv").ok()
    assert listed.stdout == (
        "id,file,line,reason,rejected_at,content\n"
        '2,a.jsonl,2,"not a known form: a webhook has an event, a CloudEvent a specversion, '
        'and a row of the activity log an eventType",2025-02-10T00:00:00Z,{}\n'
        "3,a.jsonl,3,not JSON: invalid control character at character 2,"
        '2025-02-10T00:00:00Z,"""\\x1b[31m"""\n'
        "1,b.jsonl,1,not a JSON object but a number,2025-02-10T00:00:00Z,7\n"
    )


def export(invoke: Invoke, programs: Path) -> subprocess.CompletedProcess[bytes]:
    """Run the export in a process of its own, whose output is bytes."""
    return subprocess.run(
        [programs / "billing", "meter", "rejected", "export"],
        capture_output=True,
        check=True,
        cwd=invoke.work,
        env={**os.environ, "BILLING_DATABASE_URL": invoke.database},
    )


def test_export_gives_back_what_came_in(invoke: Invoke, programs: Path) -> None:
    """Byte for byte, but for line ends: it can be mended with any editor and ingested again."""
    raw = b'\xff\xfe "caf\xc3\xa9"\t'
    invoke("meter", "ingest", stdin=b"{}\r\n" + raw + b"\n", at=NOW)
    exported = export(invoke, programs)
    assert exported.stderr == b""
    assert exported.stdout == b"{}\n" + raw + b"\n"


def test_exported_rows_can_be_mended_and_ingested(invoke: Invoke) -> None:
    """Each comes with its header, whatever else is exported, and is read by the rules of CSV."""
    rows = ["session.created,1,2025-01-01T00:00:00Z,s1", 'x,"y"z', "a,2,3,4,5,6"]
    written(invoke.work / "a.csv", HEADER, *rows)
    written(invoke.work / "b.jsonl", "7")
    (invoke.work / "c.csv").write_text("event,user\r\nx,1,2\r\nx,j", encoding="utf-8")
    assert invoke("meter", "ingest", "a.csv", "b.jsonl", "c.csv", at=NOW).exit_code == 5
    exported = invoke("meter", "rejected", "export").ok().stdout
    header = '{"header": "event,id,timestamp,session,user", "row": '
    assert exported.splitlines() == [
        header + '"session.created,1,2025-01-01T00:00:00Z,s1\\n"}',
        header + '"x,\\"y\\"z\\n"}',
        header + '"a,2,3,4,5,6\\n"}',
        "7",
        '{"header": "event,user", "row": "x,1,2\\n"}',
        '{"header": "event,user", "row": "x,j"}',
    ]
    reasons = [row["reason"] for row in invoke("meter", "rejected", "list", "-o", "json").json()]
    written(invoke.work / "mend.jsonl", exported.rstrip("\n"))
    again = invoke("meter", "ingest", "mend.jsonl", at=NOW)
    assert again.stdout == summary(0, 0, 6)
    kept = invoke("meter", "rejected", "list", "-o", "json").json()[6:]
    cut_off = reasons.pop()
    assert [row["reason"] for row in kept[:5]] == reasons
    assert cut_off.endswith(f"({kept[5]['reason']})")
    assert "may be cut off" in kept[5]["reason"]
    assert invoke("meter", "rejected", "export").ok().stdout == exported * 2
    written(invoke.work / "mend.jsonl", exported.splitlines()[0].replace("s1", "s1,ann"))
    taken = invoke("meter", "ingest", "mend.jsonl", at=NOW).ok()
    assert taken.stdout == summary(1, 0, 0)
    (row,) = invoke("meter", "sessions", "-o", "json", at=NOW).json()
    assert (row["session_id"], row["user_id"]) == ("s1", "ann")


def test_rows_from_a_pipe_that_had_no_header_get_one(billing: Billing, invoke: Invoke) -> None:
    """All of them can be mended at once."""
    rows = "".join(f"session.created,{n},2025-01-01T00:00:00Z,s{n},ann\n" for n in range(3))
    refused = billing("meter", "ingest", "--format", "csv", stdin=rows, at=NOW)
    assert (refused.exit_code, refused.stdout) == (5, summary(0, 0, 3))
    assert refused.stderr.startswith("warning: standard input:1: there is no header: ")
    before = invoke("meter", "rejected", "list", "-o", "json").ok().json()
    assert invoke("meter", "rejected", "retry", "--all").exit_code == 5
    assert invoke("meter", "rejected", "list", "-o", "json").ok().json() == before
    exported = invoke("meter", "rejected", "export").ok().stdout
    mended = exported.replace('"header": ""', f'"header": "{HEADER}"')
    assert invoke("meter", "ingest", stdin=mended, at=NOW).ok().stdout == summary(3, 0, 0)


def test_an_exported_row_keeps_its_bytes(invoke: Invoke, programs: Path) -> None:
    """Also those that are not UTF-8: whoever mends the row has to see them."""
    invoke("meter", "ingest", stdin=b"event,user\nx,caf\xe9\n", at=NOW)
    exported = export(invoke, programs)
    assert exported.stdout == b'{"header": "event,user", "row": "x,caf\xe9\\n"}\n'


def test_an_exported_row_that_is_mended_wrongly_says_so(sqlite_invoke: Invoke) -> None:
    for row, reason in (
        ("", "it has to be one row"),
        ("a,1,2,3,4\\nb,1,2,3,4\\n", "it has to be one row"),
        ("session.created,1,2025-01-01T00:00:00Z,s1,\\n", "data.user: missing"),
    ):
        text = f'{{"header": "{HEADER}", "row": "{row}"}}\n'
        result = sqlite_invoke("meter", "ingest", stdin=text, at=NOW)
        assert result.stderr.startswith(f"warning: standard input:1: {reason}\n")
        exported = sqlite_invoke("meter", "rejected", "export").stdout
        assert exported.splitlines()[-1] == text.rstrip("\n")


def test_retrying_what_is_still_bad_changes_nothing(invoke: Invoke) -> None:
    invoke("meter", "ingest", stdin="{}\n7\n", at=NOW)
    before = invoke("meter", "rejected", "list", "-o", "json").stdout
    for arguments, count in ((["--all"], 2), (["2"], 1)):
        result = invoke("meter", "rejected", "retry", *arguments)
        assert result.exit_code == 5
        assert result.stdout == f"Accepted:  0\nDuplicate: 0\nRejected:  {count}\n"
        assert result.stderr == (
            f"error: {count} lines are still rejected\n"
            "hint: billing meter rejected list says why; export, mend and ingest them\n"
        )
    assert invoke("meter", "rejected", "list", "-o", "json").stdout == before


def test_retrying_takes_what_is_understood_by_now(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an upgrade: an older version could not read these lines."""

    def parse_nothing(_line: bytes) -> None:
        raise Rejected("not understood by this version")

    with monkeypatch.context() as older:
        older.setattr(events, "parse_event", parse_nothing)
        lines = [GOOD, event("terminated", "2025-01-02T00:00:00Z"), "{}"]
        invoke("meter", "ingest", stdin="".join(f"{line}\n" for line in [*lines, GOOD]), at=NOW)
    for options, said in (["--dry-run"], REHEARSED), ([], ""):
        result = invoke("meter", "rejected", "retry", "1", "-o", "json", *options).ok()
        assert (result.json(), result.stderr) == (
            {"accepted": 1, "duplicate": 0, "rejected": 0},
            said,
        )
    result = invoke("meter", "rejected", "retry", "--all", "-o", "json")
    assert result.exit_code == 5
    assert result.json() == {"accepted": 1, "duplicate": 1, "rejected": 1}
    (left,) = invoke("meter", "rejected", "list", "-o", "json").json()
    assert (left["id"], left["reason"][:16]) == (3, "not a known form")
    (row,) = invoke("meter", "sessions", "-o", "json", at=NOW).json()
    assert (row["start_time"], row["end_time"]) == ("2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z")


def test_dropping_is_for_good(invoke: Invoke) -> None:
    invoke("meter", "ingest", stdin="{}\n7\n[]\n", at=NOW)
    for options, said in (["--dry-run"], REHEARSED), ([], ""):
        dropped = invoke("meter", "rejected", "drop", "1", "3", *options).ok()
        assert dropped.stderr == f"lines dropped: 2\n{said}"
    assert invoke("meter", "rejected", "export").stdout == "7\n"
    assert invoke("meter", "rejected", "drop", "--all").ok().stderr == "lines dropped: 1\n"
    assert invoke("meter", "rejected", "drop", "--all").ok().stderr == "lines dropped: 0\n"
    assert invoke("meter", "rejected", "list").ok().stderr == "nothing is rejected\n"


@pytest.mark.parametrize("verb", ["retry", "drop"])
def test_an_id_that_there_is_not_is_not_found(sqlite_invoke: Invoke, verb: str) -> None:
    sqlite_invoke("meter", "ingest", stdin="{}\n", at=NOW)
    result = sqlite_invoke("meter", "rejected", verb, "1", "99")
    assert result.exit_code == 3
    assert result.stderr == (
        "error: there is no rejected line 99\nhint: billing meter rejected list shows the ids\n"
    )
    assert sqlite_invoke("meter", "rejected", "export").stdout == "{}\n"


@pytest.mark.parametrize("verb", ["retry", "drop"])
@pytest.mark.parametrize("arguments", [[], ["1", "--all"]])
def test_which_lines_has_to_be_said_once(
    sqlite_invoke: Invoke, verb: str, arguments: list[str]
) -> None:
    result = sqlite_invoke("meter", "rejected", verb, *arguments)
    assert result.exit_code == 2
    assert result.stderr == (
        "error: name lines by their ids, or else say --all\n"
        "hint: billing meter rejected list shows the ids\n"
    )


SHORT = "session.created,1,2025-01-01T00:00:00Z,s1"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("short.csv", f"{HEADER}\n{SHORT}\n"),
        ("lost quote.csv", f'{HEADER}\n"x,{SHORT}\n{SHORT},ann\n'),
        ("cut off.csv", f"{HEADER}\n{SHORT},an"),
        ("no header.csv", f"{SHORT},ann\n"),
        ("cut off.jsonl", GOOD[:50]),
        ("cut off.json", f"[{GOOD},\n{GOOD[:50]}"),
        ("long.jsonl", f'"{"x" * 17 * 2**20}"\n'),
    ],
)
def test_retrying_what_is_no_text_of_an_event_leaves_its_reason(
    sqlite_invoke: Invoke, name: str, content: str
) -> None:
    """By itself, without its header or its end, each would be `not JSON`."""
    (sqlite_invoke.work / name).write_text(content, encoding="utf-8")
    assert sqlite_invoke("meter", "ingest", name, at=NOW).exit_code == 5
    before = sqlite_invoke("meter", "rejected", "list", "-o", "json").ok().json()
    result = sqlite_invoke("meter", "rejected", "retry", "--all", "-o", "json")
    assert (result.exit_code, result.json()["rejected"]) == (5, 1)
    assert sqlite_invoke("meter", "rejected", "list", "-o", "json").json() == before


def test_retrying_reads_a_row_under_its_header(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an upgrade that reads rows without a user."""
    rows = f"{HEADER}\n{SHORT}\nsession.stopped,2,2025-01-02T00:00:00Z,s1\n"
    invoke("meter", "ingest", "--format", "csv", stdin=rows, at=NOW)
    with monkeypatch.context() as newer:
        newer.setattr(
            events,
            "read_row",
            lambda header, row: read_row(header, row.replace(b"\n", b",\n")),
        )
        result = invoke("meter", "rejected", "retry", "--all", "-o", "json")
    assert (result.exit_code, result.json()) == (5, {"accepted": 1, "duplicate": 0, "rejected": 1})
    (left,) = invoke("meter", "rejected", "list", "-o", "json").json()
    assert (left["line"], left["reason"]) == (2, "data.user: missing")
