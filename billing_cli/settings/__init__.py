"""File and environment to frozen settings.

Nothing here opens a database, and nothing heavier than pydantic is imported: every command
starts by loading the settings.
"""

from __future__ import annotations

from billing_cli.settings.checking import Problem
from billing_cli.settings.database_url import mask_database_url
from billing_cli.settings.finding import LOCAL_CONFIG, named_config
from billing_cli.settings.loading import ConfigurationError, Settings, load_settings
from billing_cli.settings.model import ComputeRates, ConfigValues, Plan, Tax, known_keys
from billing_cli.settings.notifications import Notifications, Sink
from billing_cli.settings.showing import effective_rows, json_schema, sample_text
from billing_cli.settings.sink_checks import variable_of
from billing_cli.settings.sink_secrets import in_config_folder, sink_secret

__all__ = [
    "LOCAL_CONFIG",
    "ComputeRates",
    "ConfigValues",
    "ConfigurationError",
    "Notifications",
    "Plan",
    "Problem",
    "Settings",
    "Sink",
    "Tax",
    "effective_rows",
    "in_config_folder",
    "json_schema",
    "known_keys",
    "load_settings",
    "mask_database_url",
    "named_config",
    "sample_text",
    "sink_secret",
    "variable_of",
]
