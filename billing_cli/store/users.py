"""Users, as far as events have named them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_cli.errors import NotFoundError

if TYPE_CHECKING:
    from billing_cli.store.unit_of_work import Transaction


def key_of(tx: Transaction, user_id: str) -> int:
    """Return a user's key; :class:`NotFoundError` for one that no event has named."""
    key: int | None = tx.value("SELECT user_key FROM billing_users WHERE user_id = ?", user_id)
    if key is None:
        raise NotFoundError(
            f"there is no user {user_id!r}", "users appear with the first event that names them"
        )
    return key
