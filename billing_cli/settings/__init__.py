"""File and environment to frozen settings.

Nothing here opens a database, and nothing heavier than pydantic is imported: every command
starts by loading the settings.
"""

from __future__ import annotations

from billing_cli.settings.checking import Problem
from billing_cli.settings.database_url import mask_database_url
from billing_cli.settings.loading import ConfigurationError, Settings, load_settings
from billing_cli.settings.model import ComputeRates, ConfigValues, Plan, Tax, known_keys
from billing_cli.settings.showing import effective_rows, json_schema, sample_text

__all__ = [
    "ComputeRates",
    "ConfigValues",
    "ConfigurationError",
    "Plan",
    "Problem",
    "Settings",
    "Tax",
    "effective_rows",
    "json_schema",
    "known_keys",
    "load_settings",
    "mask_database_url",
    "sample_text",
]
