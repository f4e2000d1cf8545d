"""Would Stripe understand this request? The contract of every request, from the installed wheel.

`check` takes a request as it was on the wire, and gives its parameters with their types, or raises
`Refusal` with what Stripe would say: of an unknown path, a parameter that is unknown, misspelt,
missing, of the wrong type, or none of an enum's values.

The types are compiled into functions, once for each operation when it is first used: that takes
some milliseconds, a check then some tens of microseconds.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, Final

from tests.stripe_server import wheel
from tests.stripe_server.forms import MalformedFormError, decode, items_of

# Options of the client, which travel as headers, stand among the parameters of the wheel's classes.
_NO_PARAMETERS: Final = ("RequestOptions", "TypedDict")
_INT64: Final = 2**63
_MAX_DECIMALS: Final = 12
_METADATA_KEYS: Final = 50
_METADATA_KEY: Final = 40
_METADATA_VALUE: Final = 500
# The wheel says that it cannot be unset; Stripe's recorded answers say that it can.
_MAY_BE_EMPTY: Final = ("default_payment_method",)

Check = Callable[[Any, str], Any]


class Refusal(Exception):  # noqa: N818 - it is the answer, not a failure of this program
    """What Stripe answers to a request that it does not understand."""

    def __init__(self, message: str, *, param: str = "", code: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.message, self.param, self.code, self.status = message, param, code, status


@dataclass(frozen=True)
class Understood:
    """A request that keeps the contract. ``ids`` are the variable parts of its path."""

    method: str
    template: str
    ids: tuple[str, ...]
    params: dict[str, Any]


def check(method: str, path: str, form: str, *, strict: bool = True) -> Understood:
    """Understand a request, or raise `Refusal`.

    Without `strict`, as for a client of another version: what is unknown is dropped, and nothing
    is required.
    """
    found = wheel.find(method, path)
    if found is None:
        raise Refusal(
            f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs",
            status=404,
        )
    template, ids = found
    try:
        nested = decode(form)
    except MalformedFormError as error:
        raise Refusal(f"Invalid form: {error}") from error
    params = validator(method, template, strict)(nested, "")
    assert isinstance(params, dict)
    return Understood(method, template, ids, params)


@cache
def validator(method: str, template: str, strict: bool) -> Check:
    """The function that checks the parameters of an operation."""
    params = wheel.operation(method, template).params
    return _structure(params, strict) if params else _fields({}, frozenset(), strict=strict)


def _structure(text: wheel.ClassText, strict: bool) -> Check:
    return _Compiler(strict=strict).structure(text)


class _Compiler:
    """Makes functions from annotations; a class that names itself is compiled once."""

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self.done: dict[str, list[Check]] = {}

    def structure(self, text: wheel.ClassText) -> Check:
        if text.key in self.done:
            made = self.done[text.key]
            return lambda value, path: made[0](value, path)  # noqa: PLW0108 - still being made
        made = self.done[text.key] = []
        known: dict[str, Check] = {}
        required = set()
        for name, annotation in text.fields():
            inner = _unwrap(annotation, "NotRequired")
            if inner is None:
                required.add(name)
            known[name] = self.value(inner or annotation, text)
        made.append(_fields(known, frozenset(required), strict=self.strict))
        return made[0]

    def value(self, node: ast.expr, scope: wheel.ClassText) -> Check:
        match node:
            case ast.Constant(value=str(text)):
                return self.value(ast.parse(text, mode="eval").body, scope)
            case ast.Name(id=name):
                return self.named(name, scope)
            case ast.BinOp(op=ast.BitOr()) | ast.Subscript(value=ast.Name(id="Union" | "Optional")):
                return self.union(list(_alternatives(node)), scope)
            case ast.Subscript(value=ast.Name(id="Literal")):
                return _one_of(_literals(node))
            case ast.Subscript(value=ast.Name(id="List"), slice=inner):
                return _list_of(self.value(inner, scope))
            case ast.Subscript(value=ast.Name(id="Dict"), slice=ast.Tuple(elts=[_, inner])):
                return _map_of(self.value(inner, scope))
        raise NotImplementedError(f"{ast.unparse(node)} in {scope.key}")

    def named(self, name: str, scope: wheel.ClassText) -> Check:
        if simple := _SIMPLE.get(name):
            return simple
        found = scope.find(name)
        if found is None:
            raise NotImplementedError(f"{name} in {scope.key}")
        return self.structure(found)

    def union(self, nodes: list[ast.expr], scope: wheel.ClassText) -> Check:
        """The first alternative that fits. An enum that is open in the client is closed here."""
        values = [value for node in nodes for value in _literals(node)]
        checks: list[Check] = []
        if values:
            checks.append(_one_of(values))
        for node in nodes:
            name = getattr(node, "id", None)
            open_enum = name == "str" and any(values)
            if not open_enum and not _literals(node) and not _is_untyped(node):
                checks.append(self.value(node, scope))
        return checks[0] if len(checks) == 1 else _first_of(checks)


def _unwrap(node: ast.expr, name: str) -> ast.expr | None:
    match node:
        case ast.Subscript(value=ast.Name(id=found), slice=inner) if found == name:
            return inner
    return None


def _alternatives(node: ast.expr) -> list[ast.expr]:
    match node:
        case ast.Constant(value=str(text)):
            return _alternatives(ast.parse(text, mode="eval").body)
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return _alternatives(left) + _alternatives(right)
        case ast.Subscript(value=ast.Name(id="Union"), slice=ast.Tuple(elts=inner)):
            return [found for part in inner for found in _alternatives(part)]
        case ast.Subscript(value=ast.Name(id="Optional"), slice=inner):
            return _alternatives(inner)
    return [node]


def _literals(node: ast.expr) -> list[Any]:
    match node:
        case ast.Subscript(value=ast.Name(id="Literal"), slice=ast.Tuple(elts=values)):
            return [ast.literal_eval(value) for value in values]
        case ast.Subscript(value=ast.Name(id="Literal"), slice=value):
            return [ast.literal_eval(value)]
    return []


def _is_untyped(node: ast.expr) -> bool:
    """Stands beside each ``Dict``, and means the same."""
    return isinstance(node, ast.Subscript) and getattr(node.value, "id", "") == (
        "UntypedStripeObject"
    )


def _fields(known: dict[str, Check], required: frozenset[str], *, strict: bool) -> Check:
    def check_fields(value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Refusal("Invalid object", param=path, code="parameter_invalid_object")
        result = {}
        for name, given in value.items():
            here = f"{path}[{name}]" if path else name
            if inner := known.get(name):
                result[name] = inner(given, here)
            elif strict:
                raise Refusal(
                    f"Received unknown parameter: {here}", param=here, code="parameter_unknown"
                )
        if strict and not required <= result.keys():
            name = min(required - result.keys())
            here = f"{path}[{name}]" if path else name
            raise Refusal(f"Missing required param: {here}.", param=here, code="parameter_missing")
        return result

    return check_fields


def _one_of(values: list[Any]) -> Check:
    by_text = {str(value).lower() if isinstance(value, bool) else value: value for value in values}

    def check_literal(value: Any, path: str) -> Any:
        if isinstance(value, str) and value in by_text:
            return by_text[value]
        allowed = ", ".join(str(known) for known in by_text if known)
        raise Refusal(f"Invalid {path}: must be one of {allowed}", param=path)

    return check_literal


def _list_of(item: Check) -> Check:
    def check_list(value: Any, path: str) -> list[Any]:
        items = items_of(value) if isinstance(value, dict) else None
        if items is None:
            raise Refusal("Invalid array", param=path, code="parameter_invalid_array")
        return [item(given, f"{path}[{at}]") for at, given in enumerate(items)]

    return check_list


def _map_of(value_check: Check) -> Check:
    # In metadata, an empty value unsets its key.
    inner = _any_text if value_check is _text else value_check

    def check_map(value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Refusal("Invalid object", param=path, code="parameter_invalid_object")
        result = {name: inner(given, f"{path}[{name}]") for name, given in value.items()}
        if path.endswith(("metadata", "metadata]")):
            _check_metadata(result, path)
        return result

    return check_map


def _check_metadata(metadata: dict[str, Any], path: str) -> None:
    if len(metadata) > _METADATA_KEYS:
        raise Refusal(f"Metadata can have up to {_METADATA_KEYS} keys", param=path)
    for key, value in metadata.items():
        if len(key) > _METADATA_KEY or len(str(value)) > _METADATA_VALUE:
            raise Refusal(
                f"Metadata keys can have up to {_METADATA_KEY} characters, and values up to"
                f" {_METADATA_VALUE} characters.",
                param=f"{path}[{key}]",
            )


def _first_of(checks: list[Check]) -> Check:
    def check_alternatives(value: Any, path: str) -> Any:
        worst: Refusal | None = None
        for alternative in checks:
            try:
                return alternative(value, path)
            except Refusal as refusal:
                # What got farthest says best what is wrong; of those that got as far the last,
                # since an empty value stands first.
                if worst is None or len(refusal.param) >= len(worst.param):
                    worst = refusal
        assert worst
        raise worst

    return check_alternatives


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise Refusal(f"Invalid string: {value}", param=path, code="parameter_invalid_string")
    if value == "" and path not in _MAY_BE_EMPTY:
        raise Refusal(
            f"You passed an empty string for '{path}'. We assume empty values are an attempt to"
            f" unset a parameter; however '{path}' cannot be unset. You should remove '{path}'"
            " from your request or supply a non-empty value.",
            param=path,
            code="parameter_invalid_empty",
        )
    return value


def _any_text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise Refusal(f"Invalid string: {value}", param=path, code="parameter_invalid_string")
    return value


def _integer(value: Any, path: str) -> int:
    if isinstance(value, str) and value.removeprefix("-").isdecimal() and value.isascii():
        number = int(value)
        if -_INT64 <= number < _INT64:
            return number
    raise Refusal(f"Invalid integer: {value}", param=path, code="parameter_invalid_integer")


def _boolean(value: Any, path: str) -> bool:
    if value in ("true", "false"):
        return bool(value == "true")
    raise Refusal(f"Invalid boolean: {value}", param=path)


def _decimal(value: Any, path: str) -> Decimal:
    try:
        if not isinstance(value, str) or "e" in value.lower():
            raise InvalidOperation  # noqa: TRY301 - the same refusal for both
        number = Decimal(value)
    except InvalidOperation as error:
        raise Refusal(f"Invalid decimal: {value}", param=path) from error
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent > _MAX_DECIMALS:
        raise Refusal(
            f"Invalid decimal: {value}; at most {_MAX_DECIMALS} decimal places", param=path
        )
    return number


def _anything(value: Any, _path: str) -> Any:
    return value


_SIMPLE: Final[dict[str, Check]] = {
    "str": _text,
    "int": _integer,
    "bool": _boolean,
    "float": _decimal,
    "Decimal": _decimal,
    "Any": _anything,
}
