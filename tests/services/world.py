"""A billing installation in one process: a database, settings, and a clock that tests move."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.terms import Terms, TermsHistory
from billing_cli.services import events, records
from billing_cli.services import terms as terms_service
from billing_cli.services.generation import GenerateReport, Generation
from billing_cli.settings import Settings, load_settings
from billing_cli.store.engine import open_engine
from billing_cli.store.schema import ensure_schema
from billing_cli.store.tables import METADATA
from billing_cli.store.unit_of_work import UnitOfWork
from tests.shortcuts import do_not_sync

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# What refers to others first.
_TABLES = [table.name for table in reversed(METADATA.sorted_tables)]

Snapshot = dict[str, list[tuple[Any, ...]]]


@dataclass
class World:
    """An installation. ``config`` holds keys of the config file."""

    url: str
    folder: Path
    config: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Open the database and read the settings."""
        do_not_sync()
        self.engine = open_engine(self.url)
        ensure_schema(self.engine)
        self.settings = self._settings()

    def _settings(self) -> Settings:
        file = self.folder / "billing.json"
        file.write_text(json.dumps(self.config))
        return load_settings(str(file), self.url, {})

    def configure(self, **config: object) -> None:
        """Change keys of the config file; has no effect on money before it is applied."""
        self.config |= config
        self.settings = self._settings()

    def clear(self) -> None:
        """Empty the database."""
        with UnitOfWork(self.engine) as uow, uow.batch() as tx:
            for table in _TABLES:
                tx.execute(f"DELETE FROM {table}")

    def ingest(self, lines: Iterable[dict[str, Any]], now: int) -> events.IngestReport:
        """Store events given as objects."""
        data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        with UnitOfWork(self.engine) as uow:
            return events.Ingestion(uow, now, "jsonl", io.BytesIO(data)).run(["-"])

    def meter(self, now: int, until: int | None = None) -> records.MeterReport:
        """Run metering."""
        with UnitOfWork(self.engine) as uow:
            history = terms_service.establish(uow, self.settings, now).history
            return records.run(uow, history, now if until is None else until, now)

    def apply(self, now: int, since: int | None = None) -> terms_service.Applied:
        """Record the settings of the file."""
        with UnitOfWork(self.engine) as uow:
            return terms_service.apply(uow, self.settings, now, since)

    def generate(
        self, now: int, span: Any = None, users: list[str] | None = None, *, finalize: bool = True
    ) -> GenerateReport:
        """Make invoices."""
        with UnitOfWork(self.engine) as uow:
            history = terms_service.establish(uow, self.settings, now).history
            return Generation(uow, self.settings, history, now, finalize).generate(span, users)

    @property
    def history(self) -> TermsHistory:
        """What the settings of the file amount to."""
        return TermsHistory([(None, Terms.from_document(self.settings.money_document()))])

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Query the database."""
        with UnitOfWork(self.engine) as uow, uow.reading() as tx:
            return tx.rows(sql, *parameters)

    def records(self) -> list[tuple[Any, ...]]:
        """Return all usage records, without when they were made."""
        return self.rows(
            "SELECT start_time, session_id, resource_type, user_id, quantity, unit_price, "
            "end_time, period_start, month_seconds FROM billing_usage_records ORDER BY 1, 2, 3"
        )

    def invoices(self) -> list[tuple[Any, ...]]:
        """Return all invoices with their lines, without ids and when they were made."""
        return self.rows(
            "SELECT i.invoice_number, i.user_id, i.period, i.subtotal, i.tax, i.credits, i.total, "
            "i.status, i.sent_at, l.position, l.kind, l.description, l.quantity, l.unit_price, "
            "l.parts, l.amount FROM billing_invoices i "
            "LEFT JOIN billing_invoice_lines l ON l.invoice_id = i.id "
            "ORDER BY i.period_start, i.user_id, i.invoice_number, l.position"
        )

    def snapshot(self) -> Snapshot:
        """Return everything that must not depend on how it came about."""
        return {
            "records": self.records(),
            "invoices": self.invoices(),
            "anomalies": self.rows(
                "SELECT s.session_id, a.ordinal, a.kind, a.at_second, a.event_id "
                "FROM billing_anomalies a JOIN billing_sessions s ON s.session_key = a.session_key "
                "ORDER BY 1, 2"
            ),
            "segments": self.rows(
                "SELECT s.session_id, g.start_second, g.end_second, g.cpu_millicores, "
                "g.memory_mib, g.storage_mib, g.state FROM billing_segments g "
                "JOIN billing_sessions s ON s.session_key = g.session_key ORDER BY 1, 2"
            ),
            "credits": self.rows(
                "SELECT c.user_id, c.amount, c.voided FROM billing_credits c ORDER BY c.id"
            ),
        }


def webhook(kind: str, at: int, session: str, user: str | None, **data: object) -> dict[str, Any]:
    """Return an event in StreamSpace's form; its id follows from what it says."""
    content: dict[str, object] = {"id": session, **data}
    if user is not None:
        content["user"] = user
    return {
        "event": kind,
        "timestamp": format_instant(at),
        "id": f"{session}/{at}/{kind}/{user}",
        "data": content,
    }
