"""One field of a Stripe object at a time: of the right kind, or as if it were not there.

Stripe adds, moves and empties fields from one API version to the next, and its enumerations are
open. So a field that is missing, null or of another kind is ``None`` (or empty), and never an
error, with two exceptions: an object without a usable id, and an amount that is no whole number,
which nobody should guess.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from billing_cli.pricing.excerpts import quoted

# Stripe's own ids stay below 255 characters; those of plans may be an account's own words.
_ID: Final = re.compile(r"(?! )[^\x00-\x1f\x7f\ud800-\udfff]{1,255}(?<! )")
_LARGEST: Final = 2**63 - 1  # What a 64-bit column holds, either side of zero.
_LAST_SECOND: Final = 253_402_300_799  # The end of the year 9999.
# Either cannot be stored as UTF-8 text: PostgreSQL refuses the one, every encoder the other.
_UNSTORABLE: Final = re.compile(r"[\x00\ud800-\udfff]")


def opened(document: object, kind: str, *names: str) -> Mapping[str, object]:
    """Return ``document`` as the mapping it has to be, with a usable id.

    ``names`` are what its field ``object`` may say, if it says anything. Raises ValueError, with
    ``kind`` in its reason, for anything else.
    """
    if not isinstance(document, Mapping):
        raise ValueError(f"not a Stripe {kind}: an object with an id was expected")  # noqa: TRY004 - the data is wrong, not the program
    name = document.get("object")
    if names and isinstance(name, str) and name not in names:
        raise ValueError(f"not a Stripe {kind}, but an object of the type {quoted(name)}")
    if identity(document.get("id")) is None:
        raise ValueError(f"a Stripe {kind} has no usable id")
    return document


def at(value: object, *path: str) -> object:
    """Return what stands at ``path`` in nested mappings, None where a step is missing."""
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def identity(value: object) -> str | None:
    """Return an id: a text of 1 to 255 characters, none a control, without spaces around."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def own_id(obj: Mapping[str, object]) -> str:
    """Return the id of an opened object."""
    return str(obj["id"])


def reference(value: object) -> str | None:
    """Return the id of another object, which stands there alone or expanded."""
    return identity(value["id"] if isinstance(value, Mapping) and "id" in value else value)


def text(value: object) -> str | None:
    """Return a text that is not empty. What no database can store in it becomes U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) and value else None


def word(value: object) -> str:
    """Return a text such as a status, empty if there is none."""
    return text(value) or ""


def whole(value: object) -> int | None:
    """Return a whole number of 64 bits; true and false are none."""
    return value if type(value) is int and -_LARGEST <= value <= _LARGEST else None


def instant(value: object) -> int | None:
    """Return a time in epoch seconds, between 1970 and the end of the year 9999."""
    second = whole(value)
    return second if second is not None and 0 <= second <= _LAST_SECOND else None


def flag(value: object) -> bool:
    """Tell whether the value is true; all but ``true`` itself is not."""
    return value is True


def currency(value: object) -> str:
    """Return a currency in upper case, empty if there is none."""
    return word(value).upper()


def amount(obj: Mapping[str, object], name: str) -> int:
    """Return the amount in the field ``name``, in Stripe's integers; 0 if it is missing or null.

    Raises ValueError for any other value that is no whole number of 64 bits.
    """
    return amount_or_none(obj, name) or 0


def amount_or_none(obj: Mapping[str, object], name: str) -> int | None:
    """Return the amount in the field ``name`` as :func:`amount` does, None if it is not there."""
    value = obj.get(name)
    found = whole(value)
    if value is not None and found is None:
        raise ValueError(f"{name} of {reference(obj) or 'a Stripe object'} is no whole number")
    return found


def metadata(value: object) -> dict[str, str]:
    """Return what an account keeps with an object: texts by their names."""
    if not isinstance(value, Mapping):
        return {}
    return {
        _UNSTORABLE.sub("\ufffd", key): _UNSTORABLE.sub("\ufffd", entry)
        for key, entry in value.items()
        if isinstance(key, str) and isinstance(entry, str)
    }


def rows(value: object) -> tuple[Sequence[object], bool]:
    """Return the objects of a list and whether they are all: False if it is missing or has more."""
    data = at(value, "data") if isinstance(value, Mapping) else value
    if not isinstance(data, list | tuple):
        return (), False
    return data, not flag(at(value, "has_more"))
