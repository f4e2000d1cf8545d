"""``billing meter rejected``: what was rejected can be seen, mended, tried again and dropped."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from billing_cli.gateway.event_rows import read_row
from billing_cli.pricing.events import Rejected
from billing_cli.services import events, rejected
from tests.commands.support import event, written

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command_line import Invoke

NOW = "2025-02-10T00:00:00Z"
REHEARSED = "nothing was kept: this was a rehearsal\n"
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


def test_export_gives_back_what_came_in(invoke: Invoke, programs: Path) -> None:
    """Byte for byte, but for line ends: it can be mended with any editor and ingested again."""
    raw = b'\xff\xfe "caf\xc3\xa9"\t'
    invoke("meter", "ingest", stdin=b"{}\r\n" + raw + b"\n", at=NOW)
    exported = subprocess.run(
        [programs / "billing", "meter", "rejected", "export"],
        capture_output=True,
        check=True,
        cwd=invoke.work,
        env={**os.environ, "BILLING_DATABASE_URL": invoke.database},
    )
    assert exported.stderr == b""
    assert exported.stdout == b"{}\n" + raw + b"\n"


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


HEADER = "event,id,timestamp,session,user"
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
            rejected,
            "read_row",
            lambda header, row: read_row(header, row.replace(b"\n", b",\n")),
        )
        result = invoke("meter", "rejected", "retry", "--all", "-o", "json")
    assert (result.exit_code, result.json()) == (5, {"accepted": 1, "duplicate": 0, "rejected": 1})
    (left,) = invoke("meter", "rejected", "list", "-o", "json").json()
    assert (left["line"], left["reason"]) == (2, "data.user: missing")
