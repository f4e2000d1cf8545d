"""``billing metrics``: what it says is true, and as Prometheus wants it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prometheus_client.parser import text_string_to_metric_families

from billing_cli.pricing.instants import parse_instant
from tests.commands.support import event, session, take_in

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from tests.command_line import Invoke

DOCS: Final = Path(__file__).parent.parent.parent / "docs" / "metrics.md"
FEBRUARY: Final = "2025-02-01T01:00:00Z"
MARCH: Final = "2025-03-01T00:30:00Z"


def families(text: str) -> dict[str, Metric]:
    """Parse metrics, and hold them to the rules of promtool and of naming."""
    assert text.endswith("\n")
    found = {metric.name: metric for metric in text_string_to_metric_families(text)}
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    keys = [line.rpartition(" ")[0] for line in samples]
    assert len(keys) == len(set(keys))
    for name, metric in found.items():
        assert re.fullmatch("billing_[a-z_]+", name), name
        assert metric.documentation.endswith("."), name
        assert metric.type in {"gauge", "counter"}, name
        assert f"# TYPE {name}{'_total' * (metric.type == 'counter')} {metric.type}\n" in text
        assert metric.samples, name
        assert not name.endswith("_total"), f"{name} is no counter"
        assert not re.search("_(ms|minutes|hours|milliseconds|count|sum|bucket)$", name), name
        assert not re.search("(timestamp|late|duration|lag)$", name), f"{name} has no unit"
    return found


def values(metric: Metric) -> dict[tuple[str, ...], float]:
    return {tuple(one.labels.values()): one.value for one in metric.samples}


def prepare(run: Invoke) -> None:
    """John owes an invoice and Mary has paid hers; Ann's session runs on, and she is suspended."""
    lines = [
        *session("2025-01-10T08:00:00Z", "2025-01-11T08:00:00Z", "s1", "john"),
        *session("2025-01-10T08:00:00Z", "2025-01-10T18:00:00Z", "s2", "mary"),
        event("created", "2025-01-31T20:00:00Z", "s3", "ann"),
    ]
    take_in(run, *lines, at=FEBRUARY)
    run("meter", "ingest", "-", stdin="no event\n", at=FEBRUARY)
    run("job", "run", "--due", at=FEBRUARY).ok()
    run("job", "run", "--due", at="2025-02-01T01:00:01Z").ok()
    run("job", "run", "generate-invoices", at="2025-02-01T06:00:00Z").ok()
    run("invoice", "pay", "INV-2025-000003", "--amount", "1.00", at="2025-02-02T00:00:00Z").ok()
    run("credits", "add", "--user", "ann", "--amount", "12.50", "--reason", "Thanks").ok()
    run("quota", "suspend", "ann", "--reason", "Dispute", at="2025-02-02T00:00:00Z").ok()
    run("job", "run", "check-quotas", at="2025-02-20T00:00:00Z").ok()


def test_metrics_tell_what_is_so(invoke: Invoke) -> None:
    prepare(invoke)
    text = invoke("metrics", at=MARCH).ok().stdout
    found = {name: values(metric) for name, metric in families(text).items()}
    now = parse_instant(MARCH)[0]
    assert found["billing_invoices"] == {
        ("draft",): 0, ("sent",): 0, ("paid",): 1, ("overdue",): 2, ("void",): 0,
    }  # fmt: skip
    assert found["billing_invoices_due_amount"] == {("overdue", "USD"): 1.68 + 0.28}
    assert found["billing_payments_received_amount"] == {("USD",): 1.00}
    # What Mary paid too much became a credit.
    assert found["billing_credits_remaining_amount"] == {("USD",): 12.50 + 0.30}
    assert found["billing_usage_metered_until_timestamp_seconds"] == {(): now - 28 * 86_400 + 1800}
    assert found["billing_usage_metering_lag_seconds"] == {(): 28 * 86_400 - 1800}
    assert found["billing_quotas_checked_until_timestamp_seconds"] == {
        (): parse_instant("2025-02-20T00:00:00Z")[0]
    }
    assert found["billing_events_rejected"] == {(): 1}
    assert found["billing_sessions_open"] == {("running",): 1}
    assert found["billing_users"] == {(): 3}
    assert found["billing_users_suspended"] == {(): 1}
    assert found["billing_job_last_failed"] == {
        ("calculate-usage",): 0, ("generate-invoices",): 0, ("check-quotas",): 0,
    }  # fmt: skip
    late = found["billing_job_late_seconds"]
    assert late["generate-invoices",] == 0
    assert late["check-quotas",] == 9 * 86_400 + 900
    assert (
        found["billing_job_last_success_timestamp_seconds"]["check-quotas",]
        == (parse_instant("2025-02-20T00:00:00Z")[0])
    )


def test_every_metric_is_documented(sqlite_invoke: Invoke) -> None:
    prepare(sqlite_invoke)
    found = families(sqlite_invoke("metrics", at=MARCH).ok().stdout)
    names = {f"{name}{'_total' * (m.type == 'counter')}" for name, m in found.items()}
    documented = re.findall(r"^\| `(billing_\w+)", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(documented) == sorted(names)


def test_an_empty_installation_has_metrics(sqlite_invoke: Invoke) -> None:
    found = families(sqlite_invoke("metrics", at=MARCH).ok().stdout)
    assert values(found["billing_users"]) == {(): 0}
    assert "billing_usage_metering_lag_seconds" not in found


def test_a_text_file_is_replaced_as_a_whole(sqlite_invoke: Invoke) -> None:
    file = sqlite_invoke.work / "collector" / "billing.prom"
    refused = sqlite_invoke("metrics", "--textfile", file)
    assert refused.exit_code == 6
    assert refused.stderr.startswith(f"error: {file} cannot be written: ")
    file.parent.mkdir()
    file.write_text("old")
    before = file.stat().st_ino
    done = sqlite_invoke("metrics", "--textfile", file, at=MARCH).ok()
    assert (done.stdout, done.stderr) == ("", "")
    assert file.read_text() == sqlite_invoke("metrics", at=MARCH).stdout
    assert file.stat().st_ino != before
    assert file.stat().st_mode & 0o777 == 0o644
    assert [*file.parent.iterdir()] == [file]
    wrong = sqlite_invoke("metrics", "--textfile", file.with_suffix(".txt"))
    assert (wrong.exit_code, "does not end in .prom" in wrong.stderr) == (2, True)
