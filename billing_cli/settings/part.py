"""What every object of a config file has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """An object of the config file: frozen, and without keys that are not known."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        # An input shown in an error could be a secret, so pydantic is never to show one.
        hide_input_in_errors=True,
        # In the JSON Schema, a key is titled as it is written.
        field_title_generator=lambda name, _: name,
    )
