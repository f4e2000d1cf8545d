"""Whose quotas have to be looked at, found by sets: temporary tables of users and their use.

``billing_quota_interest`` holds the users to look at, from ``low`` on. ``keep`` says why: 1 to be
followed in any case, 0 if their use reaches the lowest of their limits, 2 only to be shown.
``billing_quota_steps`` says by how much their use changes at each instant, beginning with what it
is at ``low``; ``billing_quota_candidates`` whom to follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from billing_cli.pricing.quotas import SPEND, Step
from billing_cli.pricing.terms import RESOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from billing_cli.store.unit_of_work import Transaction

_FOLLOWED, _BOUNDED, _SHOWN = 1, 0, 2
_BEGINNING = 0
_RATES = {"cpu": "cpu_millicores", "memory": "memory_mib", "storage": "storage_mib"}
_UP = ", ".join(f"g.{column}" for column in _RATES.values())
_DOWN = ", ".join(f"-g.{column}" for column in _RATES.values())
_SUMS = ", ".join(f"CAST(SUM(g.{column}) AS BIGINT)" for column in _RATES.values())
_NEW = "ON CONFLICT (user_key) DO NOTHING"
# In force at some moment of the window: nothing later took its place before the window.
_IN_FORCE = (
    "l.choice = 'limit' AND l.from_second <= ? AND NOT EXISTS (SELECT 1 FROM billing_user_limits n "
    "WHERE n.user_key = l.user_key AND n.resource_type = l.resource_type "
    "AND n.from_second > l.from_second AND n.from_second <= ?)"
)
_OPEN = "s.suspended_at <= ? AND (s.resumed_at IS NULL OR s.resumed_at > ?)"


class PlanBound(NamedTuple):
    """The lowest limits that a plan may have set in the window; None for no limit.

    ``moves`` says that they may have changed in it for someone who holds the plan throughout.
    """

    plan_id: str
    cpu: int | None
    memory: int | None
    storage: int | None
    moves: bool


class Window(NamedTuple):
    """``(last, now]``; ``last`` None is the beginning. ``period_start`` is that of ``last``."""

    last: int | None
    now: int
    period_start: int

    @property
    def low(self) -> int:
        """The instant to begin at."""
        return _BEGINNING - 1 if self.last is None else self.last


class Candidate(NamedTuple):
    """A user to follow from ``low`` on."""

    user_key: int
    user_id: str
    low: int


def select(
    tx: Transaction,
    window: Window,
    plans: Sequence[PlanBound],
    threshold: int,
    grace: int | None,
) -> None:
    """Find whom a check of a window has to follow.

    ``grace`` is the time over a limit after which a user is suspended, None for never.
    """
    _prepare(tx, plans)
    if window.last is None:
        _change_everyone(tx)
    else:
        _read_changes(tx, window.last, window.now)
        _find_changed(tx, window.last, window.now)
    _find_bounds(tx, window.low, window.now)
    tx.execute(
        f"INSERT INTO billing_quota_interest SELECT q.user_key, {_BEGINNING}, {_FOLLOWED} "
        f"FROM billing_stale_quotas q WHERE 1 = 1 {_NEW}"
    )
    _add_spenders(tx, window)
    _add_standing(tx, window, grace)
    tx.execute(
        "INSERT INTO billing_quota_interest SELECT b.user_key, CAST(? AS BIGINT), "
        f"{_BOUNDED} FROM billing_quota_bounds b WHERE 1 = 1 {_NEW}",
        _BEGINNING if window.last is None else window.last,
    )
    _read_steps(tx, window.last, window.now)
    _choose(tx, threshold)


def select_shown(tx: Transaction, now: int, plans: Sequence[PlanBound], threshold: int) -> None:
    """Find everyone who has a limit, or is suspended, at an instant."""
    _prepare(tx, plans)
    _change_everyone(tx)
    _find_bounds(tx, now, now)
    _add_spenders(tx, Window(now, now, _BEGINNING))
    for keep, users in (
        (_BOUNDED, "SELECT user_key FROM billing_quota_bounds"),
        (_SHOWN, f"SELECT DISTINCT s.user_key FROM billing_suspensions s WHERE {_OPEN}"),
    ):
        tx.execute(
            f"INSERT INTO billing_quota_interest SELECT u.user_key, CAST(? AS BIGINT), {keep} "
            f"FROM ({users}) u WHERE 1 = 1 {_NEW}",
            *([now] * (1 + users.count("?"))),
        )
    _read_steps(tx, now, now)
    _choose(tx, threshold)
    _deepen(tx, now)


def _prepare(tx: Transaction, plans: Iterable[PlanBound]) -> None:
    text = 'text COLLATE "C"' if tx.is_postgres else "text"
    sizes = ", ".join(f"{resource} bigint" for resource in RESOURCES)
    tx.temporary_table("billing_quota_plans", f"plan_id {text}, {sizes}, moves bigint")
    tx.insert("billing_quota_plans", PlanBound._fields, ((*p[:-1], int(p.moves)) for p in plans))
    tx.temporary_table("billing_quota_changed", "user_key bigint PRIMARY KEY")
    tx.temporary_table("billing_quota_bounds", f"user_key bigint PRIMARY KEY, {sizes}")
    tx.temporary_table(
        "billing_quota_interest",
        "user_key bigint PRIMARY KEY, low bigint NOT NULL, keep bigint NOT NULL",
    )
    tx.temporary_table(
        "billing_quota_steps", f"user_key bigint NOT NULL, at_second bigint NOT NULL, {sizes}"
    )
    tx.temporary_table(
        "billing_quota_candidates", "user_key bigint PRIMARY KEY, low bigint NOT NULL"
    )


def _change_everyone(tx: Transaction) -> None:
    tx.execute(
        "INSERT INTO billing_quota_changed SELECT user_key FROM billing_subscription_phases "
        "UNION SELECT user_key FROM billing_user_limits"
    )


def _read_changes(tx: Transaction, last: int, now: int) -> None:
    """Read by how much anyone's use changes in ``(last, now]``."""
    for column, rates in (("start_second", _UP), ("end_second", _DOWN)):
        tx.execute(
            f"INSERT INTO billing_quota_steps SELECT s.user_key, g.{column}, {rates} "
            "FROM billing_segments g CROSS JOIN billing_sessions s "
            f"WHERE g.{column} > ? AND g.{column} <= ? AND s.session_key = g.session_key "
            "AND s.user_key IS NOT NULL",
            last,
            now,
        )


def _find_changed(tx: Transaction, last: int, now: int) -> None:
    """Collect users of whom anything begins or ends in ``(last, now]``."""
    phases = (
        "SELECT user_key FROM billing_subscription_phases "
        "WHERE start_second > ? AND start_second <= ? OR end_second > ? AND end_second <= ?"
    )
    limits = "SELECT user_key FROM billing_user_limits WHERE from_second > ? AND from_second <= ?"
    moved = (
        "SELECT p.user_key FROM billing_subscription_phases p "
        "JOIN billing_quota_plans l ON l.plan_id = p.plan_id AND l.moves = 1 "
        "WHERE p.start_second <= ? AND p.end_second > ?"
    )
    tx.execute(
        "INSERT INTO billing_quota_changed SELECT user_key FROM billing_quota_steps "
        f"UNION {phases} UNION {limits} UNION {moved}",
        *(last, now) * 3,
        *(now, last),
    )
    tx.analyze("billing_quota_changed")


def _find_bounds(tx: Transaction, low: int, now: int) -> None:
    """Give each changed user with a limit the lowest that it has in the window."""
    own = ", ".join(
        f"CASE WHEN l.resource_type = '{resource}' THEN l.amount END" for resource in RESOURCES
    )
    lowest = ", ".join(f"MIN({resource})" for resource in RESOURCES)
    names = ", ".join(RESOURCES)
    tx.execute(
        f"INSERT INTO billing_quota_bounds SELECT user_key, {lowest} FROM ("
        f"SELECT c.user_key, {names} FROM billing_quota_changed c "
        "JOIN billing_subscription_phases p ON p.user_key = c.user_key "
        "JOIN billing_quota_plans l ON l.plan_id = p.plan_id "
        "WHERE p.start_second <= ? AND p.end_second > ? "
        f"UNION ALL SELECT c.user_key, {own} FROM billing_quota_changed c "
        f"JOIN billing_user_limits l ON l.user_key = c.user_key WHERE {_IN_FORCE} "
        f"AND l.resource_type <> '{SPEND}'"
        ") b GROUP BY user_key HAVING COALESCE("
        f"{lowest}) IS NOT NULL",
        *(now, low, now, low),
    )


def _add_spenders(tx: Transaction, window: Window) -> None:
    """Add users with a limit to what they spend: followed from the start of the period."""
    tx.execute(
        "INSERT INTO billing_quota_interest SELECT DISTINCT l.user_key, CAST(? AS BIGINT), "
        f"{_FOLLOWED} FROM billing_user_limits l WHERE l.resource_type = '{SPEND}' "
        f"AND {_IN_FORCE} {_NEW}",
        _BEGINNING if window.last is None else window.period_start,
        window.now,
        window.low,
    )


def _add_standing(tx: Transaction, window: Window, grace: int | None) -> None:
    """Add who is at a level or suspended: to follow where something changed or is due.

    The others only to be shown.
    """
    due, parameters = "1 = 1", list[object]()
    if window.last is not None:
        due = "k.user_key IN (SELECT user_key FROM billing_quota_changed)"
    if window.last is not None and grace is not None:
        due += (
            " OR k.user_key IN (SELECT q.user_key FROM billing_quota_states q "
            "WHERE q.level = 'exceeded' AND q.since_second <= ? AND NOT EXISTS "
            "(SELECT 1 FROM billing_suspensions x WHERE x.origin = "
            "'quota/' || q.user_key || '/' || q.resource_type || '/' || q.since_second))"
        )
        parameters.append(window.now - grace)
    tx.execute(
        "INSERT INTO billing_quota_interest SELECT k.user_key, CAST(? AS BIGINT), "
        f"CASE WHEN {due} THEN {_FOLLOWED} ELSE {_SHOWN} END FROM ("
        "SELECT user_key FROM billing_quota_states UNION "
        f"SELECT s.user_key FROM billing_suspensions s WHERE {_OPEN}) k WHERE 1 = 1 {_NEW}",
        _BEGINNING if window.last is None else window.last,
        *parameters,
        *(window.now, window.now),
    )


def _read_steps(tx: Transaction, last: int | None, now: int) -> None:
    """Read what everyone of interest uses at ``last``, in one pass; of some the whole past."""
    tx.analyze("billing_quota_interest")
    if last is not None and tx.row("SELECT 1 FROM billing_quota_interest WHERE low = ?", last):
        # The plus keeps SQLite from the index by start, under which lies all of history.
        tx.execute(
            f"INSERT INTO billing_quota_steps SELECT s.user_key, CAST(? AS BIGINT), {_SUMS} "
            "FROM billing_segments g CROSS JOIN billing_sessions s "
            "CROSS JOIN billing_quota_interest i "
            "WHERE g.end_second > ? AND +g.start_second <= ? AND s.session_key = g.session_key "
            "AND i.user_key = s.user_key AND i.low = ? GROUP BY s.user_key",
            *(last, last, last, last),
        )
    # All columns: who reads a user's steps in order finds them in one place.
    columns = ", ".join(("user_key", "at_second", *RESOURCES))
    tx.execute(f"CREATE INDEX billing_quota_steps_user ON billing_quota_steps ({columns})")
    before = now if last is None else last
    if tx.row("SELECT 1 FROM billing_quota_interest WHERE low < ?", before):
        _read_deep(tx, now, before)
    tx.analyze("billing_quota_steps")


def _read_deep(tx: Transaction, now: int, before: int) -> None:
    """Read how the use changed of those who are followed from an earlier moment on."""
    tx.execute(
        "DELETE FROM billing_quota_steps WHERE user_key IN "
        "(SELECT user_key FROM billing_quota_interest WHERE low < ?)",
        before,
    )
    begin = "CASE WHEN g.start_second > i.low THEN g.start_second ELSE i.low END"
    for at, rates in ((begin, _UP), ("g.end_second", _DOWN)):
        tx.execute(
            f"INSERT INTO billing_quota_steps SELECT s.user_key, {at}, {rates} "
            "FROM billing_sessions s CROSS JOIN billing_quota_interest i "
            "CROSS JOIN billing_segments g WHERE i.user_key = s.user_key AND i.low < ? "
            f"AND g.session_key = s.session_key AND g.end_second > i.low AND {at} <= ?",
            before,
            now,
        )


def _choose(tx: Transaction, threshold: int) -> None:
    """Choose whom to follow: all that were kept, and whose use reaches the lowest limit."""
    tx.execute(
        "INSERT INTO billing_quota_candidates SELECT user_key, low FROM billing_quota_interest "
        f"WHERE keep = {_FOLLOWED}"
    )
    # At one instant everything counts that changes there, in whatever order it is read.
    used = ", ".join(f"SUM({resource}) OVER w AS {resource}" for resource in RESOURCES)
    most = ", ".join(f"MAX({resource}) AS {resource}" for resource in RESOURCES)
    reached = " OR ".join(
        f"(t.{resource} > 0 AND t.{resource} * 100 >= b.{resource} * ?)" for resource in RESOURCES
    )
    tx.execute(
        "INSERT INTO billing_quota_candidates SELECT i.user_key, i.low FROM "
        f"(SELECT user_key, {most} FROM (SELECT user_key, {used} FROM billing_quota_steps "
        "WINDOW w AS (PARTITION BY user_key ORDER BY at_second)) u GROUP BY user_key) t "
        "CROSS JOIN billing_quota_interest i CROSS JOIN billing_quota_bounds b "
        f"WHERE i.user_key = t.user_key AND i.keep = {_BOUNDED} AND b.user_key = t.user_key "
        f"AND ({reached})",
        *(threshold for _ in RESOURCES),
    )
    tx.analyze("billing_quota_candidates")


def _deepen(tx: Transaction, now: int) -> None:
    """Read all of the past of the candidates: since when they are where they are."""
    tx.execute(
        f"UPDATE billing_quota_interest SET low = {_BEGINNING} WHERE user_key IN "
        "(SELECT user_key FROM billing_quota_candidates)"
    )
    _read_deep(tx, now, now)


def next_candidates(tx: Transaction, after: int, limit: int) -> list[Candidate]:
    """Return the next users to follow, by their keys."""
    return [
        Candidate(*row)
        for row in tx.rows(
            "SELECT c.user_key, u.user_id, c.low FROM billing_quota_candidates c "
            "JOIN billing_users u ON u.user_key = c.user_key "
            "WHERE c.user_key > ? ORDER BY c.user_key LIMIT ?",
            after,
            limit,
        )
    ]


def stale_among(tx: Transaction, users: Sequence[int]) -> set[int]:
    """Return those of some users whose past has changed since the last check."""
    subquery, parameter = tx.numbers(users)
    return {
        row[0]
        for row in tx.rows(
            f"SELECT user_key FROM billing_stale_quotas WHERE user_key IN {subquery}", parameter
        )
    }


def steps_of(tx: Transaction, users: Sequence[int]) -> dict[int, list[Step]]:
    """Return by how much users' use changes when: the first step is what it is at ``low``."""
    subquery, parameter = tx.numbers(users)
    found: dict[int, list[Step]] = {}
    for user, *step in tx.rows(
        f"SELECT user_key, at_second, {', '.join(RESOURCES)} FROM billing_quota_steps "
        f"WHERE user_key IN {subquery}",
        parameter,
    ):
        found.setdefault(user, []).append(Step(*step))
    return found


def next_shown(
    tx: Transaction, after: str | None, limit: int, now: int, *, alarming: bool
) -> list[Candidate]:
    """Return the next users of interest, in byte order of their names.

    With ``alarming`` only those who are at a level as of the last check, or suspended.
    """
    conditions, parameters = ["1 = 1"], list[object]()
    if after is not None:
        conditions.append("u.user_id > ?")
        parameters.append(after)
    if alarming:
        conditions.append(
            "(i.user_key IN (SELECT user_key FROM billing_quota_states) OR i.user_key IN "
            f"(SELECT s.user_key FROM billing_suspensions s WHERE {_OPEN}))"
        )
        parameters += [now, now]
    return [
        Candidate(*row)
        for row in tx.rows(
            "SELECT i.user_key, u.user_id, i.low FROM billing_quota_interest i "
            "JOIN billing_users u ON u.user_key = i.user_key "
            f"WHERE {' AND '.join(conditions)} ORDER BY u.user_id LIMIT ?",
            *parameters,
            limit,
        )
    ]
