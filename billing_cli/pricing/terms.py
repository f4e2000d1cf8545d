"""The settings that decide money, as they are in force at an instant (DESIGN section 4).

A document is the JSON form in which the store keeps one version; :class:`Terms` is that document
read once; :class:`TermsHistory` says which holds when.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from billing_cli.pricing.periods import Calendar, Regime
from billing_cli.pricing.plans import Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NO_TAX = "none"
RESOURCES = ("cpu", "memory", "storage")
_RATE_KEYS = {
    "cpu": "cpu_per_core_hour",
    "memory": "memory_per_gb_hour",
    "storage": "storage_per_gb_month",
}


@dataclass(frozen=True, slots=True)
class Tax:
    """A rate in percent of the sum of lines before credits."""

    id: str
    name: str
    percent: Decimal


@dataclass(frozen=True, slots=True)
class Terms:
    """One version of the money settings.

    ``prices`` maps a resource to its price per unit; ``plans`` and ``taxes`` are by their ids,
    and ``tax`` is the default rate.
    """

    mode: str
    currency: str
    prices: Mapping[str, str]
    timezone: str
    invoice_day: int
    heartbeat_timeout: int | None
    tax: Tax | None
    taxes: Mapping[str, Tax]
    plans: Mapping[str, Plan]

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Terms:
        """Read a document that :meth:`billing_cli.settings.Settings.money_document` wrote.

        Prices stay decimal text, since that is what records are stored with.
        """
        default = next((tax["id"] for tax in document["taxes"] if tax["default"]), None)
        taxes = {
            tax["id"]: Tax(tax["id"], tax["name"], Decimal(tax["percent"]))
            for tax in document["taxes"]
        }
        minutes = document["heartbeatTimeoutMinutes"]
        return cls(
            mode=document["billingMode"],
            currency=document["currency"],
            prices={name: document["computeRates"][key] for name, key in _RATE_KEYS.items()},
            timezone=document["timezone"],
            invoice_day=document["invoiceDay"],
            heartbeat_timeout=None if minutes is None else minutes * 60,
            tax=None if default is None else taxes[default],
            taxes=taxes,
            plans={
                plan["id"]: Plan.from_document(plan, document["currency"])
                for plan in document["subscriptionPlans"]
            },
        )

    def tax_for(self, choice: str | None) -> Tax | None:
        """Return the tax of a user who chose a rate's id or ``none``; None is the default."""
        if choice is None:
            return self.tax
        return None if choice == NO_TAX else self.taxes.get(choice, self.tax)


@dataclass(frozen=True, slots=True)
class InForce:
    """Terms and the instant from which they hold; None is the beginning of time."""

    since: int | None
    terms: Terms


class TermsHistory:
    """Which terms hold when.

    Versions are given in the order in which they were recorded. A later one takes the place of
    everything at and after the instant it holds from, scheduled versions included.
    """

    def __init__(self, versions: Iterable[tuple[int | None, Terms]]) -> None:
        """Settle the versions; the first has to hold from the beginning (``since`` None)."""
        settled: list[InForce] = []
        for since, terms in versions:
            while settled and since is not None and (settled[-1].since or _BEGINNING) >= since:
                settled.pop()
            settled.append(InForce(since, terms))
        if not settled or settled[0].since is not None:
            raise ValueError("the first terms have to hold from the beginning of time")
        self.versions: tuple[InForce, ...] = tuple(settled)
        self.calendar = Calendar(
            [Regime(v.since, v.terms.timezone, v.terms.invoice_day) for v in settled]
        )

    def at(self, instant: int) -> Terms:
        """Return the terms in force at an instant."""
        for version in reversed(self.versions):
            if version.since is None or version.since <= instant:
                return version.terms
        raise AssertionError("the first terms hold from the beginning of time")

    @property
    def latest(self) -> Terms:
        """The terms that will hold in the end."""
        return self.versions[-1].terms

    def mode_of(self, period_start: int) -> str:
        """Return the billing mode of the period that starts at an instant.

        A mode holds for all of a period, whenever in it the settings change.
        """
        return self.at(period_start).mode

    def changes(self, start: int, stop: int) -> list[int]:
        """Return the instants in ``(start, stop)`` from which other terms hold."""
        return [v.since for v in self.versions if v.since is not None and start < v.since < stop]

    def heartbeat_timeouts(self) -> tuple[tuple[int | None, int | None], ...]:
        """Return ``(since, timeout in seconds or None)`` steps, for the fold of timelines."""
        return tuple((v.since, v.terms.heartbeat_timeout) for v in self.versions)


_BEGINNING = -(2**62)
