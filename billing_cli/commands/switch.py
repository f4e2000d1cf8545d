"""The main switch: with ``"enabled": false`` metering and jobs do nothing, say so, and succeed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing_cli.output import message

if TYPE_CHECKING:
    from billing_cli.app import App


def is_disabled(app: App) -> bool:
    """Tell whether the config switches billing off, and if so tell the operator."""
    if app.settings.values.enabled:
        return False
    message('billing is switched off ("enabled": false in the config file): nothing was done')
    return True
