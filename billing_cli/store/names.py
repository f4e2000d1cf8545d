"""Names: those that tables share by small integers, and which texts and ids can be stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from billing_cli.store.unit_of_work import Transaction

# Sessions come and go: what the cache forgets, it looks up again.
_CACHE_LIMIT = 200_000
# What a 64-bit column holds, and how many digits that is.
_LARGEST_ID = 2**63 - 1
_DIGITS = 19


class Kind(NamedTuple):
    """A table of names."""

    table: str
    key: str
    name: str
    extra: tuple[tuple[str, object], ...] = ()


USERS = Kind("billing_users", "user_key", "user_id")
SESSIONS = Kind("billing_sessions", "session_key", "session_id", (("folded_seq", 0),))
ORIGINS = Kind("billing_event_origins", "origin_key", "origin")


class Interner:
    """Gives names their keys, the new ones of a batch in byte order.

    Only for use inside writing batches; :meth:`forget` after one that was undone.
    """

    def __init__(self, kind: Kind) -> None:
        """Start with an empty cache."""
        self._kind = kind
        self._known: dict[str | None, int] = {}

    def forget(self) -> None:
        """Drop the cache: an undone batch takes its new keys with it."""
        self._known.clear()

    def keys(self, tx: Transaction, names: AbstractSet[str | None]) -> Mapping[str | None, int]:
        """Return the keys of at least these names, making those that are new; None has none."""
        if len(self._known) > _CACHE_LIMIT:
            self._known.clear()
        known = self._known
        missing = sorted(name for name in names - known.keys() if name is not None)
        if missing:
            self._find(tx, missing)
            new = [name for name in missing if name not in known]
            if new:
                self._make(tx, new)
        return known

    def _find(self, tx: Transaction, names: list[str]) -> None:
        kind = self._kind
        subquery, parameter = tx.texts(names)
        self._known.update(
            tx.rows(
                f"SELECT {kind.name}, {kind.key} FROM {kind.table} WHERE {kind.name} IN {subquery}",
                parameter,
            )
        )

    def _make(self, tx: Transaction, names: list[str]) -> None:
        kind = self._kind
        last = tx.value(f"SELECT COALESCE(MAX({kind.key}), 0) FROM {kind.table}")
        fixed = tuple(value for _, value in kind.extra)
        numbered = list(enumerate(names, last + 1))
        tx.insert(
            kind.table,
            (kind.key, kind.name, *(column for column, _ in kind.extra)),
            ((key, name, *fixed) for key, name in numbered),
        )
        self._known.update((name, key) for key, name in numbered)


def can_be_stored(text: str) -> bool:
    """Tell whether a text is UTF-8 without NUL, which no stored name holds."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def id_named(reference: str | int) -> int | None:
    """Return the id that a text or a number names; None for what no column can hold."""
    if isinstance(reference, str):
        if not (reference.isascii() and reference.isdigit() and len(reference) <= _DIGITS):
            return None
        reference = int(reference)
    return reference if 0 <= reference <= _LARGEST_ID else None
