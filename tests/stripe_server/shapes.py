"""Does an answer look like Stripe's? The shape of every object, from the installed wheel's classes.

Only fields that the pinned version knows, with the right types and known values of enums, and all
that are never null. `check` raises `ShapeError`, which says where.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Final

from tests.stripe_server import wheel

# What the real API sends as well, in recorded answers, and no description tells.
UNDOCUMENTED: Final = {
    ("subscription", "plan"),
    ("subscription", "quantity"),
    ("charge", "dispute"),
    ("charge", "destination"),
    ("charge", "order"),
    ("boleto", "fingerprint"),
}

Check = Callable[[Any, str], None]


class ShapeError(AssertionError):
    """An answer that Stripe would not give."""


def check(value: Any, path: str = "") -> None:
    """Check an object, and all within it, by what its ``object`` says it is."""
    kind = value.get("object")
    if kind in ("list", "search_result"):
        _list(value, path)
    elif value.get("deleted"):
        if set(value) != {"id", "object", "deleted"}:
            raise ShapeError(f"{path or kind}: a deleted object says only that")
    else:
        _of_kind(kind)(value, path or kind)


def _list(value: Any, path: str, item: Check = check) -> None:
    unknown = set(value) - {"object", "data", "has_more", "url", "total_count", "next_page"}
    if unknown or value.get("object") not in ("list", "search_result"):
        raise ShapeError(f"{path}: no list, or unknown fields {sorted(unknown)}")
    if not isinstance(value["has_more"], bool) or not isinstance(value["url"], str):
        raise ShapeError(f"{path}: has_more and url")
    for at, each in enumerate(value["data"]):
        item(each, f"{path}.data[{at}]")


@cache
def _of_kind(kind: str) -> Check:
    if kind not in wheel.object_classes():
        raise ShapeError(f"there is no object {kind!r}")
    module, name = wheel.object_classes()[kind]
    found = wheel.find_class(module, name)
    assert found
    return _structure(found)


_compiled: dict[str, list[Check]] = {}


def _structure(text: wheel.ClassText) -> Check:
    if text.key in _compiled:
        made = _compiled[text.key]
        return lambda value, path: made[0](value, path)  # noqa: PLW0108 - still being made
    made = _compiled[text.key] = []
    known: dict[str, Check] = {}
    required = set()
    kind = ""
    for name, annotation in text.fields():
        if name == "OBJECT_NAME":
            kind = ast.literal_eval(_slice(_slice(annotation)))
            continue
        known[name] = _value(annotation, text)
        if not _optional(annotation):
            required.add(name)
    known.update({name: _anything for owner, name in UNDOCUMENTED if owner == kind})
    made.append(_fields(known, frozenset(required)))
    return made[0]


def _fields(known: dict[str, Check], required: frozenset[str]) -> Check:
    def check_fields(value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise ShapeError(f"{path}: {value!r} is no object")
        if value.get("deleted"):
            return
        if not required <= value.keys():
            raise ShapeError(f"{path}: {sorted(required - value.keys())} missing")
        for name, given in value.items():
            inner = known.get(name)
            if inner is None:
                raise ShapeError(f"{path}: the pinned version knows no {name!r}")
            inner(given, f"{path}.{name}")

    return check_fields


def _slice(node: ast.expr) -> ast.expr:
    assert isinstance(node, ast.Subscript)
    return node.slice


def _optional(node: ast.expr) -> bool:
    return isinstance(node, ast.Subscript) and getattr(node.value, "id", "") == "Optional"


def _value(node: ast.expr, scope: wheel.ClassText) -> Check:
    match node:
        case ast.Constant(value=str(text)):
            return _value(ast.parse(text, mode="eval").body, scope)
        case ast.Name(id=name):
            return _named(name, scope)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inner):
            return _one_of({ast.literal_eval(value) for value in _parts(inner)})
        case ast.Subscript(value=ast.Name(id="Union"), slice=inner):
            return _union(_parts(inner), scope)
        case ast.Subscript(value=ast.Name(id=name), slice=inner) if name in _GENERIC:
            return _GENERIC[name](_value(_parts(inner)[-1], scope))
    raise NotImplementedError(f"{ast.unparse(node)} in {scope.key}")


def _parts(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def _union(parts: list[ast.expr], scope: wheel.ClassText) -> Check:
    """The alternatives. An enum that is open in the client is closed here."""
    enum = any(_is_literal(part) for part in parts)
    closed = [part for part in parts if not (enum and getattr(part, "id", "") == "str")]
    return _either([_value(part, scope) for part in closed])


def _is_literal(node: ast.expr) -> bool:
    return isinstance(node, ast.Subscript) and getattr(node.value, "id", "") == "Literal"


def _named(name: str, scope: wheel.ClassText) -> Check:
    if simple := _SIMPLE.get(name):
        return simple
    found = scope.find(name)
    if found is None:
        raise NotImplementedError(f"{name} in {scope.key}")
    # Compiled when the first value comes: the classes of all that could be expanded are many.
    made: list[Check] = []

    def check_structure(value: Any, path: str) -> None:
        if not made:
            made.append(_structure(found))
        made[0](value, path)

    return check_structure


def _either(checks: list[Check]) -> Check:
    def check_either(value: Any, path: str) -> None:
        deepest: ShapeError | None = None
        for alternative in checks:
            try:
                alternative(value, path)
            except ShapeError as error:
                if deepest is None or len(str(error)) > len(str(deepest)):
                    deepest = error
            else:
                return
        assert deepest
        raise deepest

    return check_either


def _each(item: Check) -> Check:
    def check_each(value: Any, path: str) -> None:
        if not isinstance(value, list):
            raise ShapeError(f"{path}: {value!r} is no list")
        for at, each in enumerate(value):
            item(each, f"{path}[{at}]")

    return check_each


def _map(item: Check) -> Check:
    def check_map(value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise ShapeError(f"{path}: {value!r} is no map")
        for name, each in value.items():
            item(each, f"{path}.{name}")

    return check_map


def _one_of(values: set[Any]) -> Check:
    def check_literal(value: Any, path: str) -> None:
        if isinstance(value, dict | list) or value not in values:
            raise ShapeError(f"{path}: {value!r} is none of its values")

    return check_literal


def _typed(kind: type, name: str) -> Check:
    def check_type(value: Any, path: str) -> None:
        if type(value) is not kind:
            raise ShapeError(f"{path}: {value!r} is no {name}")

    return check_type


def _decimal(value: Any, path: str) -> None:
    try:
        Decimal(value if isinstance(value, str) else "?")
    except InvalidOperation:
        raise ShapeError(f"{path}: {value!r} is no decimal in a string") from None


def _number(value: Any, path: str) -> None:
    if type(value) not in (int, float):
        raise ShapeError(f"{path}: {value!r} is no number")


def _null(value: Any, path: str) -> None:
    if value is not None:
        raise ShapeError(f"{path}: not null")


def _anything(_value: Any, _path: str) -> None:
    return


def _list_of(item: Check) -> Check:
    return lambda value, path: _list(value, path, item)


_text: Final = _typed(str, "string")
_SIMPLE: Final[dict[str, Check]] = {
    "str": _text,
    "int": _typed(int, "integer"),
    "bool": _typed(bool, "boolean"),
    "float": _number,
    "Decimal": _decimal,
    "Any": _anything,
    "StripeObject": _anything,
}
_GENERIC: Final[dict[str, Callable[[Check], Check]]] = {
    "Optional": lambda inner: _either([_null, inner]),
    "ExpandableField": lambda inner: _either([_text, inner]),
    "List": _each,
    "ListObject": _list_of,
    "UntypedStripeObject": _map,
    "Dict": _map,
}
