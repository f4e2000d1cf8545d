"""The schema, as SQLModel tables. Queries are SQL in the files beside this one.

Amounts are minor units, quantities base units (millicore-seconds, MiB-seconds) and times epoch
seconds, all in 64-bit integers, the one exact number both databases share. Prices and shown
quantities are decimal text. What the plugin's tables called ``id``, ``unit`` and ``total_cost``
on a usage record follows from the rest and is worked out on reading.

Importing this module is slow (SQLModel, pydantic): only migrations and checks of the schema do.
"""

from __future__ import annotations

from sqlmodel import SQLModel

from billing_cli.store.tables import (
    accounts,
    invoicing,
    jobs,
    metering,
    payments,
    stripe,
    telling,
)

__all__ = [
    "METADATA",
    "accounts",
    "invoicing",
    "jobs",
    "metering",
    "payments",
    "stripe",
    "telling",
]

METADATA = SQLModel.metadata
