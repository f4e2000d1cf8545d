"""Stripe's way to put nested values into a form: ``lines[0][amount]=5&expand[]=customer``."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

Nested = dict[str, Any]


class MalformedFormError(ValueError):
    """A form whose brackets do not fit together."""


def decode(text: str) -> Nested:
    """A form as nested dictionaries of strings.

    A list stays a dictionary whose keys are its indexes ("0", "1", or "" for each of ``a[]``,
    whose values are then gathered in a list): only the type of a parameter tells a list from
    metadata with numbers for keys.
    """
    result: Nested = {}
    for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=10_000):
        head, bracket, rest = name.partition("[")
        if not bracket:
            _put(result, head, value, name)
            continue
        if not rest.endswith("]"):
            raise MalformedFormError(name)
        keys = [head, *rest[:-1].split("][")]
        place = result
        for key in keys[:-1]:
            inner = place.setdefault(key, {})
            if not isinstance(inner, dict):
                raise MalformedFormError(name)
            place = inner
        _put(place, keys[-1], value, name)
    return result


def _put(place: Nested, key: str, value: str, name: str) -> None:
    if key == "":
        place.setdefault("", []).append(value)
    elif key in place and isinstance(place[key], dict):
        raise MalformedFormError(name)
    else:
        place[key] = value


def items_of(value: Nested) -> list[Any] | None:
    """The items of a list, in the order of their indexes; None for what is no list."""
    if list(value) == [""]:
        unnumbered: list[Any] = value[""]
        return unnumbered
    if not all(key.isdigit() for key in value):
        return None
    return [value[key] for key in sorted(value, key=int)]
