"""Everything that a database holds, but for ids and creation times: two runs can be compared."""

from __future__ import annotations

from typing import Any, Final

from billing_cli.store.engine import open_engine
from billing_cli.store.unit_of_work import UnitOfWork

Contents = dict[str, list[tuple[Any, ...]]]

_INVOICE: Final = "i.user_id, i.kind, i.period_start, i.period_end, i.invoice_number"
_QUERIES: Final = {
    "events": (
        "SELECT o.origin, e.event_id, e.type, s.session_id, u.user_id, e.at_second, e.at_fraction, "
        "e.state, e.cpu_millicores, e.memory_mib, e.storage_mib, e.payload "
        "FROM billing_session_events e "
        "LEFT JOIN billing_event_origins o ON o.origin_key = e.origin_key "
        "LEFT JOIN billing_sessions s ON s.session_key = e.session_key "
        "LEFT JOIN billing_users u ON u.user_key = e.user_key"
    ),
    "rejected": "SELECT file, line, reason, raw, partial FROM billing_rejected_lines",
    "users": "SELECT user_id FROM billing_users",
    "sessions": (
        "SELECT s.session_id, u.user_id FROM billing_sessions s "
        "LEFT JOIN billing_users u ON u.user_key = s.user_key"
    ),
    "pending": (
        "SELECT s.session_id FROM billing_pending_sessions p "
        "JOIN billing_sessions s ON s.session_key = p.session_key"
    ),
    "segments": (
        "SELECT s.session_id, g.start_second, g.end_second, g.cpu_millicores, g.memory_mib, "
        "g.storage_mib, g.state FROM billing_segments g "
        "JOIN billing_sessions s ON s.session_key = g.session_key"
    ),
    "anomalies": (
        "SELECT s.session_id, a.ordinal, a.kind, a.at_second, a.event_id, a.detail "
        "FROM billing_anomalies a JOIN billing_sessions s ON s.session_key = a.session_key"
    ),
    "reslices": (
        "SELECT s.session_id, r.from_second FROM billing_reslices r "
        "JOIN billing_sessions s ON s.session_key = r.session_key"
    ),
    "records": (
        "SELECT r.start_time, s.session_id, r.session_id, r.resource_type, u.user_id, r.user_id, "
        "r.quantity, r.unit_price, r.end_time, r.period_start, r.month_seconds "
        "FROM billing_usage_records r "
        "LEFT JOIN billing_sessions s ON s.session_key = r.session_key "
        "LEFT JOIN billing_users u ON u.user_key = r.user_key"
    ),
    "metered": "SELECT name, value FROM billing_state WHERE name = 'metered_until'",
    "restatements": (
        "SELECT u.user_id, r.period_start FROM billing_restatements r "
        "JOIN billing_users u ON u.user_key = r.user_key"
    ),
    "closed periods": "SELECT period_start, period_end FROM billing_closed_periods",
    "invoices": (
        f"SELECT {_INVOICE}, i.period, i.currency, i.subtotal, i.tax, i.credits, i.total, "
        "i.tax_id, i.tax_percent, i.status, i.sent_at, i.due_date, i.paid_at, i.voided_at, "
        "i.void_reason, i.written_off, n.invoice_number "
        "FROM billing_invoices i LEFT JOIN billing_invoices n ON n.id = i.superseded_by"
    ),
    "lines": (
        f"SELECT {_INVOICE}, l.position, l.kind, l.description, l.resource_type, l.quantity, "
        "l.unit_price, l.parts, l.unit_start, l.unit_end, n.invoice_number, l.amount "
        "FROM billing_invoice_lines l JOIN billing_invoices i ON i.id = l.invoice_id "
        "LEFT JOIN billing_invoices n ON n.id = l.unit_invoice"
    ),
    "claims": (
        f"SELECT {_INVOICE}, c.start_second, c.end_second "
        "FROM billing_claims c JOIN billing_invoices i ON i.id = c.invoice_id"
    ),
    "counters": "SELECT name, value FROM billing_counters",
    "credits": (
        "SELECT c.user_id, c.amount, c.voided, c.currency, c.reason, c.expires_at, "
        "i.invoice_number FROM billing_credits c "
        "LEFT JOIN billing_invoices i ON i.id = c.source_invoice"
    ),
    "credit uses": (
        f"SELECT {_INVOICE}, c.reason, u.amount, u.used_at, u.reversed_at "
        "FROM billing_credit_uses u JOIN billing_invoices i ON i.id = u.invoice_id "
        "JOIN billing_credits c ON c.id = u.credit_id"
    ),
    "settings": "SELECT effective_from, document FROM billing_settings_versions",
}


def rows(url: str, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    engine = open_engine(url)
    with UnitOfWork(engine) as uow, uow.reading() as tx:
        return tx.rows(sql)


def contents(url: str) -> Contents:
    """What every table holds, names in the place of keys, in an order of its own."""
    engine = open_engine(url)
    with UnitOfWork(engine) as uow, uow.reading() as tx:
        return {name: sorted(tx.rows(sql), key=repr) for name, sql in _QUERIES.items()}


def assert_same(found: Contents, wanted: Contents) -> None:
    """Compare table by table: a difference of whole databases would be too long to be read."""
    for name, expected in wanted.items():
        there = found[name]
        if there != expected:
            missing = [row for row in expected if row not in there]
            excess = [row for row in there if row not in expected]
            raise AssertionError(
                f"{name}: {len(there)} rows, not {len(expected)}; "
                f"missing {missing[:3]}, in excess {excess[:3]}"
            )
