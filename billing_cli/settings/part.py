"""What all parts of the config file's model share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


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


class CamelPart(Part):
    """A part whose keys are written as ``invoiceDay`` for the field ``invoice_day``."""

    model_config = ConfigDict(
        alias_generator=to_camel, field_title_generator=lambda name, _: to_camel(name)
    )
