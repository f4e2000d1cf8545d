"""Taxes: the rates in force, and who has which."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from billing_cli.errors import NotFoundError
from billing_cli.services import terms
from billing_cli.settings.values import canonical_decimal
from billing_cli.store import users as store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from billing_cli.app import App
    from billing_cli.pricing.terms import Terms

DEFAULT = "default"
"""What is said for the default rate of the settings."""
NONE = "none"
"""What is said, and kept, for no tax."""


def chosen(in_force: Terms, text: str) -> str | None:
    """Return what is kept for a choice of tax: the id of a rate, ``none``, or None by default.

    Raises :class:`NotFoundError` for a rate that is not in force.
    """
    if text in in_force.taxes or text == NONE:
        return text
    if text == DEFAULT:
        return None
    raise NotFoundError(
        f"there is no tax {text!r} in force", "billing tax list shows the rates there are"
    )


def listing(app: App) -> list[dict[str, object]]:
    """Return the rates in force, no tax and rates gone that users still have among them.

    Users count where the rate applies to them, by default or because it is set.
    """
    with app.unit_of_work() as uow, uow.reading() as tx:
        in_force = terms.read(tx, app.settings).history.at(app.clock.now())
        counts = store.count_by_tax(tx)
    default = NONE if in_force.tax is None else in_force.tax.id
    names = [*in_force.taxes, *sorted(key for key in counts if key and key not in in_force.taxes)]
    return [
        _row(in_force, name, default, counts)
        for name in dict.fromkeys([*(key for key in names if key != NONE), NONE])
    ]


def _row(
    in_force: Terms, name: str, default: str, counts: Mapping[str | None, int]
) -> dict[str, object]:
    rate = in_force.taxes.get(name)
    by_default = counts.get(None, 0) if name == default else 0
    return {
        "id": name,
        "name": "No tax" if name == NONE else rate and rate.name,
        "percent": "0" if name == NONE else rate and canonical_decimal(rate.percent),
        "default": name == default,
        "users": counts.get(name, 0) + by_default,
    }


@contextmanager
def users(app: App) -> Iterator[Iterator[dict[str, object]]]:
    """Give the users for whom another than the default rate is set."""
    with app.unit_of_work() as uow, uow.reading() as tx:
        in_force = terms.read(tx, app.settings).history.at(app.clock.now())
        yield (
            {"user_id": user_id, "tax": tax, **_rate(in_force, tax)}
            for user_id, tax in store.with_own_tax(tx)
        )


def _rate(in_force: Terms, tax: str) -> dict[str, object]:
    row = _row(in_force, tax, NONE, {})
    return {"name": row["name"], "percent": row["percent"]}
