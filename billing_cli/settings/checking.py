"""A plain document to checked values, or everything that is wrong with it, in plain English."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import TYPE_CHECKING

from pydantic import ValidationError

from billing_cli.pricing.excerpts import quoted
from billing_cli.settings.database_url import has_password
from billing_cli.settings.model import ConfigValues, known_keys
from billing_cli.settings.sink_checks import sink_problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic_core import ErrorDetails

SECRET_KEYS = ("stripeSecretKey", "stripeWebhookSecret")

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_$-]{1,64}", re.ASCII)
_LOOKS_SECRET = re.compile(r"(sk|rk|pk)_|whsec_", re.ASCII)

_LONGEST_LIST = 10
_LONGEST_NUMBER = 40

_KINDS = {
    "bool_type": "true or false",
    "string_type": "a text in quotes",
    "int_type": "a whole number",
    "tuple_type": "a list in brackets",
    "model_type": "an object in braces",
    "model_attributes_type": "an object in braces",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a config file: the key's path ('' for the whole file), and what."""

    path: str
    text: str

    def __str__(self) -> str:
        """Return the problem as a part of a sentence about the file."""
        return f"{self.path}: {self.text}" if self.path else self.text


class ProblemsError(ValueError):
    """The document has problems, all of which are in ``problems``."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep the problems."""
        super().__init__(*problems)
        self.problems = tuple(problems)


def check_document(document: Mapping[str, object]) -> ConfigValues:
    """Turn a parsed config file into values; raises :class:`ProblemsError` with every problem."""
    values, problems = None, []
    try:
        values = ConfigValues.model_validate(document)
    except ValidationError as error:
        problems = [_translated(detail) for detail in error.errors(include_url=False)]
    problems += _contradictions(document)
    if values is None or problems:
        # Without the cause: it holds the input, secrets and all.
        raise ProblemsError(problems) from None
    return values


def _contradictions(document: Mapping[str, object]) -> Iterator[Problem]:
    """Find what is wrong between values, whatever else is: hence on the raw document."""
    for key in SECRET_KEYS:
        if document.get(key) is not None and document.get(f"{key}File") is not None:
            yield Problem(f"{key}File", f"cannot be given together with {key}")
    for key in ("subscriptionPlans", "taxes"):
        seen: set[str] = set()
        for index, item in _objects(document.get(key)):
            identifier = item.get("id")
            if isinstance(identifier, str):
                if identifier in seen:
                    yield Problem(f"{key}[{index}].id", f"repeats {quoted(identifier)}")
                seen.add(identifier)
    defaults = [
        index for index, item in _objects(document.get("taxes")) if item.get("default") is True
    ]
    for index in defaults[1:]:
        yield Problem(f"taxes[{index}].default", "is true for a second tax: one can be the default")
    notifications = document.get("notifications")
    if isinstance(notifications, dict):
        yield from (
            Problem(f"notifications.{path}", text)
            for path, text in sink_problems(_objects(notifications.get("sinks")))
        )


def _objects(value: object) -> Iterator[tuple[int, dict[str, object]]]:
    if isinstance(value, list):
        yield from ((index, item) for index, item in enumerate(value) if isinstance(item, dict))


def _translated(detail: ErrorDetails) -> Problem:
    """Put an error of pydantic into words an operator knows."""
    kind, context = detail["type"], detail.get("ctx", {})
    path = _path(detail["loc"])
    instead = _instead(path, detail["input"])
    match kind:
        case "extra_forbidden":
            text = f"is not a known key{_nearest(detail['loc'])}"
        case "missing":
            text = "is missing"
        case "literal_error":
            choices = context["expected"].replace("'", '"')
            text = f"must be {choices}{instead}"
        case "greater_than_equal":
            text = f"must be at least {context['ge']:,}{instead}"
        case "less_than_equal":
            text = f"must be at most {context['le']:,}{instead}"
        case _ if kind in _KINDS:
            text = f"must be {_KINDS[kind]}{instead}"
        case _:
            text = detail["msg"]
    return Problem(path, text)


def _path(location: Sequence[str | int]) -> str:
    """Write a place in the document as ``subscriptionPlans[0].price``."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            path += f".{step}" if path else step
        else:
            path += f"[{quoted(step)}]"
    return path


def _nearest(location: Sequence[str | int]) -> str:
    """Name the known key most like an unknown one: first of the same object, then of any."""
    prefix = "".join(
        "[]" if isinstance(step, int) else f".{step}" for step in location[:-1]
    ).lstrip(".")
    wanted = _folded(str(location[-1])[:64])
    siblings: dict[str, str] = {}
    elsewhere: dict[str, str] = {}
    for key in known_keys():
        parent, _, name = key.rpartition(".")
        (siblings if parent == prefix else elsewhere)[_folded(name)] = key
    for keys, cutoff in ((siblings, 0.6), (elsewhere, 0.8)):
        near = get_close_matches(wanted, keys, n=1, cutoff=cutoff)
        if near:
            found = keys[near[0]]
            return f" (did you mean {found.rpartition('.')[2] if keys is siblings else found}?)"
    if len(siblings) > _LONGEST_LIST:
        return ""
    return f" (known here: {', '.join(key.rpartition('.')[2] for key in siblings.values())})"


def _folded(key: str) -> str:
    return key.replace("_", "").replace("-", "").lower()


def _instead(path: str, value: object) -> str:
    """Quote what was found, unless it is or may be a secret."""
    if path in SECRET_KEYS or path == "databaseUrl":
        return ""
    if isinstance(value, str):
        hidden = _LOOKS_SECRET.search(value) or has_password(value)
        return "" if hidden else f", not {quoted(value)}"
    if value is None or isinstance(value, bool):
        return f", not {'null' if value is None else str(value).lower()}"
    if isinstance(value, (int, Decimal)):
        return f", not {_short(value)}"
    return f", not {'a list' if isinstance(value, list) else 'an object'}"


def _short(number: int | Decimal) -> str:
    text = str(number)
    if len(text) <= _LONGEST_NUMBER:
        return text
    return f"{text[:_LONGEST_NUMBER]}... ({len(text)} characters)"
