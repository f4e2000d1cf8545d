"""What all parts of the config file's model share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """An object of the config file: frozen, with known keys only, and never shown in errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        # An input shown in an error could be a secret, so pydantic is never to show one.
        hide_input_in_errors=True,
        # In the JSON Schema, a key is titled as it is written.
        field_title_generator=lambda name, _: name,
    )
