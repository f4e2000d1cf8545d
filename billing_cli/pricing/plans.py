"""Plans: what a subscription costs, includes and allows, as one version of the settings has it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from billing_cli.pricing.money import to_minor

if TYPE_CHECKING:
    from collections.abc import Mapping

MONTH, YEAR = "month", "year"
ADVANCE, ARREARS = "advance", "arrears"
FREE = "free"
"""The plan that a new user gets, where there is one."""

_MONTHS_A_YEAR = 12
# Base units of a limit's own unit: millicores of a core, MiB of a GB.
_BASE_OF_LIMIT = {"cpu": 1_000, "memory": 1_024, "storage": 1_024}


@dataclass(frozen=True, slots=True)
class Plan:
    """One version of a plan.

    ``price`` is decimal text, ``fee`` the same in minor units; ``limits`` maps a resource to
    millicores or MiB, None for no limit. ``overage`` is ``charge``, ``none``, or None for what
    the billing mode says.
    """

    id: str
    name: str
    price: str
    fee: int
    interval: str
    limits: Mapping[str, int | None]
    overage: str | None
    billing: str

    @classmethod
    def from_document(cls, document: Mapping[str, Any], currency: str) -> Plan:
        """Read a plan of :meth:`billing_cli.settings.Settings.money_document`."""
        return cls(
            id=document["id"],
            name=document["name"],
            price=document["price"],
            fee=to_minor(Decimal(document["price"]), currency),
            interval=document["interval"],
            limits={
                resource: base_limit(resource, document[f"{resource}_limit"])
                for resource in _BASE_OF_LIMIT
            },
            overage=document["overage"],
            billing=document["billing"],
        )

    @property
    def yearly_fee(self) -> int:
        """What twelve months cost, in minor units: by it an upgrade is told from a downgrade."""
        return self.fee if self.interval == YEAR else self.fee * _MONTHS_A_YEAR

    def charges_overage(self, mode: str) -> bool:
        """Tell whether use above the limits is charged in a billing mode."""
        return self.overage == "charge" or (self.overage is None and mode == "hybrid")


def base_limit(resource: str, limit: str | Decimal | None) -> int | None:
    """Return a limit in cores or GB as millicores or MiB, a fraction of one rounded up."""
    if limit is None:
        return None
    numerator, denominator = (Decimal(limit) * _BASE_OF_LIMIT[resource]).as_integer_ratio()
    return -(-numerator // denominator)
