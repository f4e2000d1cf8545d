"""The examples: the converter of job logs, the log that is shipped, the demo, the small files."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from examples import swf_to_events

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.command_line import Invoke

ROOT: Final = Path(__file__).parent.parent
EXAMPLES: Final = ROOT / "examples"
NASA_EVENTS: Final = EXAMPLES / "nasa-ipsc-1993.jsonl.gz"
NASA_TOTALS: Final = {
    "1993-10": "2196.97",
    "1993-11": "2969.93",
    "1993-12": "2059.75",
    "1994-01": "18.56",
}
AFTER_NASA: Final = "1994-02-01T00:00:00Z"

# Made up: what the real logs of the archive have, in a few lines.
LOG: Final = """\
; Version: 2.2
; Installation: Université de Nulle Part
; UnixStartTime: 1735689600
; MaxProcs: 64
;
    1     0     -1   3600    4 -1 -1   -1 -1 -1  1   7   1 -1 -1 -1 -1 -1
    2    60    120     30   -1 -1 -1    3 -1 -1  0  -1   1 -1 -1 -1 -1 -1
    2    60    120     10    3 -1 -1    3 -1 -1  2   7   1 -1 -1 -1 -1 -1
    2    60    120     20    3 -1 -1    3 -1 -1  3   7   1 -1 -1 -1 -1 -1

    3   100      0     -1    1 -1 -1    1 -1 -1  5   8   1 -1 -1 -1 -1 -1
    4   100      0      5   -1 -1 -1   -1 -1 -1  1   8   1 -1 -1 -1 -1 -1
    5    -1      0      5    1 -1 -1   -1 -1 -1  1   8   1 -1 -1 -1 -1 -1
    6   200      0      0    1 -1 -1   -1 -1 -1  1 1234   1 -1 -1 -1 -1 -1
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.swf"
    path.write_bytes(LOG.encode("latin-1"))
    return path


def convert(log: Path, *options: str) -> list[dict[str, Any]]:
    """The events that the converter makes of a log."""
    events = log.with_suffix(".jsonl")
    assert swf_to_events.main([str(log), "-o", str(events), *options]) == 0
    return [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]


def test_a_job_becomes_a_session(log: Path) -> None:
    created, terminated, *_ = convert(log)
    assert created == {
        "id": "job-1-created",
        "event": "session.created",
        "timestamp": "2025-01-01T00:00:00Z",
        "data": {
            "id": "job-1",
            "user": "user-007",
            "state": "running",
            "resources": {"cpu": "4", "memory": "2Gi"},
        },
    }
    assert terminated == {
        "id": "job-1-terminated",
        "event": "session.terminated",
        "timestamp": "2025-01-01T01:00:00Z",
        "data": {"id": "job-1", "user": "user-007"},
    }


def test_waiting_and_requested_processors_stand_in_for_what_is_not_known(log: Path) -> None:
    created, terminated = convert(log)[2:4]
    assert created["timestamp"] == "2025-01-01T00:03:00Z"
    assert terminated["timestamp"] == "2025-01-01T00:03:30Z"
    assert created["data"]["user"] == "user-unknown"
    assert created["data"]["resources"] == {"cpu": "3", "memory": "1536Mi"}


def test_what_cannot_be_a_session_is_left_out_and_counted(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions = {event["data"]["id"] for event in convert(log)}
    assert sessions == {"job-1", "job-2", "job-6"}
    assert capsys.readouterr().err.splitlines() == [
        "left out 1 of the lines: no processors",
        "left out 1 of the lines: no run time",
        "left out 1 of the lines: no submit time",
        "left out 2 of the lines: part of a job that has a line of its own",
    ]


def test_options_say_what_a_processor_is_and_when_the_log_begins(log: Path) -> None:
    options = ["--cores-per-processor=250m", "--memory-per-processor=1G", "--name=lab"]
    created, terminated, second, *_ = convert(log, *options, "--start=2024-02-29T12:00:00+02:00")
    assert created["id"] == "lab-1-created"
    assert created["data"]["resources"] == {"cpu": "1", "memory": "3816Mi"}
    assert second["data"]["resources"] == {"cpu": "750m", "memory": "2862Mi"}
    assert created["timestamp"] == "2024-02-29T10:00:00Z"
    assert terminated["timestamp"] == "2024-02-29T11:00:00Z"


def test_the_same_log_gives_the_same_bytes(log: Path, tmp_path: Path) -> None:
    zipped = tmp_path / "again.swf.gz"
    zipped.write_bytes(gzip.compress(log.read_bytes()))
    outputs = [tmp_path / "one.jsonl.gz", tmp_path / "two.jsonl.gz"]
    for source, output in zip((log, zipped), outputs, strict=True):
        assert swf_to_events.main([str(source), "--output", str(output)]) == 0
    one, two = (output.read_bytes() for output in outputs)
    assert one == two
    assert one[4:8] == bytes(4)  # where gzip keeps the time
    assert gzip.decompress(one).count(b"\n") == 6


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (LOG.replace("UnixStartTime", "StartTime"), "the header has no UnixStartTime: say --start"),
        (LOG + "7 300\n", "line 15: a job has 18 fields, not 2"),
        (LOG.replace(" 3600 ", " 1h "), "line 6: run time: '1h' is not a whole number"),
    ],
)
def test_what_is_no_log_is_told_and_leaves_no_file(
    text: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, events = tmp_path / "log.swf", tmp_path / "events.jsonl"
    log.write_bytes(text.encode("latin-1"))
    assert swf_to_events.main([str(log), "-o", str(events)]) == 1
    assert capsys.readouterr().err == f"error: {log}: {complaint}\n"
    assert list(tmp_path.iterdir()) == [log]


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        ("--start=yesterday", "'yesterday' is not an RFC 3339 time such as 2025-01-01T00:00:00Z"),
        ("--start=1969-12-31T23:59:59Z", "not a whole second from 1970 on"),
        ("--cores-per-processor=-1", "'-1' is negative"),
        ("--memory-per-processor=much", "'much' is not a quantity"),
    ],
)
def test_options_that_make_no_sense(
    option: str, complaint: str, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        swf_to_events.main([str(log), option])
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_it_is_a_script_that_reads_and_writes_pipes() -> None:
    script = [sys.executable, str(EXAMPLES / "swf_to_events.py")]
    done = subprocess.run(
        [*script, "-"], input=LOG.encode("latin-1"), capture_output=True, check=True, cwd=ROOT
    )
    assert done.stdout.count(b"\n") == 6
    helped = subprocess.run([*script, "--help"], capture_output=True, text=True, check=True)
    for option in ("--cores-per-processor", "--memory-per-processor", "--start", "--name"):
        assert option in helped.stdout


@pytest.mark.no_cover  # much of what other tests have little of
def test_the_shipped_log_gives_its_four_totals(
    invoke_on: Callable[[str], Invoke], postgres_url: str
) -> None:
    """On PostgreSQL; the demo below proves them on SQLite."""
    billing = invoke_on(postgres_url)
    ingested = billing("meter", "ingest", NASA_EVENTS, "-o", "json").ok().json()
    assert ingested["accepted"] == 2 * 18_239
    metered = billing("meter", "run", "-o", "json", at=AFTER_NASA).ok().json()
    assert metered["sessions"] == 18_239
    assert metered["anomalies"] == 0
    generate = ("invoice", "generate", "--finalize", "-o", "json")
    invoices = billing(*generate, at=AFTER_NASA).ok().json()
    # In minor units: sums of floats are not exact.
    totals: dict[str, int] = {}
    for invoice in invoices:
        cents = int(invoice["total"].replace(".", ""))
        totals[invoice["period"]] = totals.get(invoice["period"], 0) + cents
    assert totals == {name: int(total.replace(".", "")) for name, total in NASA_TOTALS.items()}
    assert billing(*generate, at=AFTER_NASA).ok().json() == []


def test_the_shipped_log_names_whom_to_thank() -> None:
    users = set()
    with gzip.open(NASA_EVENTS, "rt", encoding="utf-8") as lines:
        for line in lines:
            users.add(json.loads(line)["data"]["user"])
    assert len(users) == 69
    thanks = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for name in ("Bill Nitzberg", "Dror Feitelson", "Parallel Workloads Archive"):
        assert name in thanks
    assert "THIS IS A CLEANED VERSION OF THE LOG!" in thanks


def test_the_demo_runs_from_nothing_without_a_terminal(programs: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    done = run_demo(tmp_path, programs)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert (tmp_path / ".demo" / "billing.db").exists()
    for period, total in NASA_TOTALS.items():
        assert re.search(
            rf"^{period} +\d+ invoices +{re.escape(total)}$", done.stdout, re.MULTILINE
        )
    assert done.stdout.index("$ billing meter show") < done.stdout.index("$ billing invoice show")


def test_the_demo_fails_loudly_when_a_total_is_wrong(programs: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    events = tmp_path / "examples" / NASA_EVENTS.name
    lines = gzip.decompress(events.read_bytes()).splitlines(keepends=True)
    events.write_bytes(gzip.compress(b"".join(lines[-200:])))
    done = run_demo(tmp_path, programs)
    assert done.returncode == 1
    assert "error: the totals above are wrong" in done.stderr
    assert "invoice show" not in done.stdout


def run_demo(folder: Path, programs: Path) -> subprocess.CompletedProcess[str]:
    """Run the demo in ``folder``, with an environment that must not matter."""
    environ = {
        **os.environ,
        "HOME": str(folder),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "BILLING_CONFIG": "/nowhere.json",
        "BILLING_DATABASE_URL": "/nowhere.db",
        "LC_ALL": "de_DE.UTF-8",
    }
    script = [folder / "examples" / "demo.sh"]
    return subprocess.run(
        script, capture_output=True, text=True, check=False, env=environ, cwd=folder
    )


@pytest.mark.parametrize(
    ("name", "events", "invoices"),
    [
        # 10 h of 2 cores and 4 GB are 1.00 and 0.40; 10 GB for 26 of 744 hours 0.03.
        # 100 core-hours and 28 h of 8 GB are 5.00 and 2.24.
        ("webhooks.jsonl", 7, {"john": "1.43", "maria": "7.24"}),
        # 5 h of 8 cores and 16 GB are 2.00 and 0.80, to half a second; 50 GB for as long 0.03.
        ("cloudevents.json", 3, {"anna": "2.83"}),
        # 10 h of half a core and 1 GB are 0.25 and 0.10; 2 GB for 30 of 744 hours 0.01.
        ("activity-log.csv", 4, {"omar": "0.36"}),
    ],
)
def test_the_small_files_give_what_can_be_checked_by_hand(
    name: str, events: int, invoices: dict[str, str], invoke: Invoke
) -> None:
    assert invoke("meter", "ingest", EXAMPLES / name, "-o", "json").ok().json() == {
        "files": 1,
        "accepted": events,
        "duplicate": 0,
        "rejected": 0,
    }
    made = invoke("invoice", "generate", "-o", "json", at="2025-02-01T00:00:00Z").ok().json()
    assert {invoice["user_id"]: invoice["total"] for invoice in made} == invoices
    assert invoke("meter", "anomalies", "-o", "json").ok().json() == []
