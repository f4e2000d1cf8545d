"""The settings as others see them: effective rows, the JSON Schema, and the packaged sample."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from pydantic import SecretStr

from billing_cli.settings.database_url import MASK
from billing_cli.settings.model import ConfigValues
from billing_cli.settings.values import canonical_decimal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from billing_cli.settings.loading import Settings


def effective_rows(settings: Settings) -> list[dict[str, object]]:
    """Return a row ``{"key", "value", "source"}`` for each setting in force, for showing.

    Keys are paths such as ``subscriptionPlans[0].price``; a list of plain values, or an empty
    one, is one row. Decimals are texts; secrets and passwords are asterisks.
    """
    shown = settings.values.model_dump(by_alias=True) | {"databaseUrl": settings.shown_database_url}
    return [
        {"key": path, "value": value, "source": settings.sources[setting]}
        for path, setting, value in _rows(shown, "")
    ]


def _rows(members: Mapping[str, object], prefix: str) -> Iterator[tuple[str, str, object]]:
    """Yield each leaf's path, the setting that its source is kept under, and its shown value."""
    for key, value in members.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _rows(value, f"{path}.")
        elif isinstance(value, (tuple, list)):
            if not all(isinstance(item, dict) for item in value) or not value:
                # Plain values are one setting, as they stand in one line of the file.
                yield path, path, list(value)
                continue
            for index, item in enumerate(value):
                yield from (
                    (leaf, path, shown) for leaf, _, shown in _rows(item, f"{path}[{index}].")
                )
        elif isinstance(value, SecretStr):
            yield path, path, MASK
        elif isinstance(value, Decimal):
            yield path, path, canonical_decimal(value)
        else:
            yield path, path, value


def json_schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of the config file, for editors and checks."""
    schema = ConfigValues.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def sample_text() -> str:
    """Return the packaged sample: the config file that ``billing init`` writes."""
    from importlib.resources import files

    return files("billing_cli").joinpath("sample_config.json").read_text(encoding="utf-8")
