"""Log lines: where they go, what they say, and that they say no secret."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.commands.support import session, take_in

if TYPE_CHECKING:
    from tests.command_line import Invoke

FEBRUARY: Final = "2025-02-01T02:00:00Z"
LINE: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warning|error) +(\S.*)"
)
SECRET: Final = "sk_test_51NotToBeSeen"
HOSTILE: Final = "jo hn\n=\x1b[31m\u202e"


def prepare(run: Invoke, user: str = "john") -> None:
    lines = session("2025-01-10T08:00:00Z", "2025-01-11T08:00:00Z", "s1", user)
    take_in(run, *lines, at=FEBRUARY)


def parsed(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_each_thing_that_is_done_is_a_line_of_json(sqlite_invoke: Invoke) -> None:
    prepare(sqlite_invoke, HOSTILE)
    run = ("job", "run", "--due")
    done = sqlite_invoke(
        "--log-format", "json", *run, at=FEBRUARY, environ={"STRIPE_SECRET_KEY": SECRET}
    )
    lines = parsed(done.ok().stderr)
    assert [(line["message"], line["job"]) for line in lines] == [
        ("done", "calculate-usage"),
        ("billing.invoice.created", "generate-invoices"),
        ("done", "generate-invoices"),
        ("done", "check-quotas"),
    ]
    assert {line["level"] for line in lines} == {"info"}
    assert {line["at"] for line in lines} == {FEBRUARY}
    invoice = lines[1]
    assert invoice["event_id"] == "evt_1"
    assert (invoice["invoice_number"], invoice["total"]) == ("INV-2025-000001", "1.68")
    assert invoice["user_id"] == HOSTILE
    assert lines[2]["run"] == invoice["run"] == 2
    assert lines[0]["records"] == 48
    assert "\x1b" not in done.stderr
    assert SECRET not in done.stderr


def test_a_command_by_hand_logs_what_it_did_once_it_is_so(sqlite_invoke: Invoke) -> None:
    prepare(sqlite_invoke)
    words = ("invoice", "generate", "--finalize")
    rehearsed = sqlite_invoke("-v", *words, "--dry-run", at=FEBRUARY).ok()
    assert rehearsed.stderr == "nothing was kept: this was a rehearsal\n"
    done = sqlite_invoke("-v", *words, at=FEBRUARY).ok()
    match = LINE.fullmatch(done.stderr.rstrip("\n"))
    assert match
    assert match[2].startswith(
        f"billing.invoice.created at={FEBRUARY} event_id=evt_1 user_id=john currency=USD"
    )
    assert sqlite_invoke("invoice", "void", "1", "--reason", "x", at=FEBRUARY).ok().stderr == ""


def test_a_text_line_is_one_line(sqlite_invoke: Invoke) -> None:
    prepare(sqlite_invoke, HOSTILE)
    words = ("-v", "--log-format", "TEXT", "job", "run", "generate-invoices")
    lines = sqlite_invoke(*words, at=FEBRUARY).ok().stderr.splitlines()
    matches = [LINE.fullmatch(line) for line in lines]
    assert [match and match[1] for match in matches] == ["debug", "info", "info"]
    assert r' user_id="jo hn\n=\u001b[31m\u202e" ' in lines[1]


def test_a_file_takes_lines_and_complaints(sqlite_invoke: Invoke) -> None:
    prepare(sqlite_invoke)
    environ = {"BILLING_LOG_FILE": "billing.log", "BILLING_LOG_FORMAT": "json"}
    file = sqlite_invoke.work / "billing.log"
    done = sqlite_invoke("job", "run", "all", at=FEBRUARY, environ=environ).ok()
    assert done.stderr == ""
    # A line for each job, and one for the invoice.
    assert len(parsed(file.read_text())) == 4
    assert file.stat().st_mode & 0o777 == 0o640
    # As logrotate does it.
    file.rename(file.with_suffix(".log.1"))
    failed = sqlite_invoke("invoice", "show", "99", environ=environ)
    assert failed.exit_code == 3
    assert failed.stderr.startswith("error: there is no invoice '99'\nhint: ")
    (line,) = parsed(file.read_text())
    assert (line["level"], line["message"]) == ("error", "there is no invoice '99'")
    assert line["hint"].startswith("billing invoice list")


def test_in_json_all_that_is_said_is_json(sqlite_invoke: Invoke) -> None:
    failed = sqlite_invoke("--log-format", "json", "invoice", "show", "99")
    assert [line["level"] for line in parsed(failed.stderr)] == ["error"]
    said = sqlite_invoke("--log-format", "json", "invoice", "list").ok()
    assert [line["message"] for line in parsed(said.stderr)] == ["no invoices"]
    assert sqlite_invoke("invoice", "list").ok().stderr == "no invoices\n"


@pytest.mark.parametrize("name", ["nowhere/billing.log", "/proc/version", "."])
def test_a_log_that_cannot_be_written_stops_nothing(sqlite_invoke: Invoke, name: str) -> None:
    done = sqlite_invoke("--log-file", name, "job", "run", "all", "--quiet", at=FEBRUARY).ok()
    first, *lines = done.stderr.splitlines()
    assert first.startswith(f"warning: cannot write the log {name}: ")
    assert all(LINE.fullmatch(line) for line in lines)
    assert len(lines) == 3


def test_what_is_no_format(sqlite_invoke: Invoke) -> None:
    refused = sqlite_invoke("invoice", "list", environ={"BILLING_LOG_FORMAT": "xml"})
    assert refused.exit_code == 2
    assert "'xml' is not one of 'text', 'json'" in refused.stderr
    # Empty is as if not set.
    environ = {"BILLING_LOG_FORMAT": "", "BILLING_LOG_FILE": "", "BILLING_VERBOSE": ""}
    assert sqlite_invoke("invoice", "list", environ=environ).ok().stderr == "no invoices\n"
