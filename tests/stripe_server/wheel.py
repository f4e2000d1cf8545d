"""What the installed ``stripe`` wheel says of Stripe's API, read from its source text.

The wheel is generated from Stripe's OpenAPI description. It is never imported here: reading the
few files that are asked for is quicker, and says more (what is required, what is an enum).
"""

from __future__ import annotations

import ast
import importlib.util
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_REQUEST: Final = re.compile(r'"(get|post|delete)",\s*"(/v[12]/[^"]*)"')
_CLASS_OF: Final = re.compile(r'"([a-z0-9_.]+)": \(\s*"([a-zA-Z0-9_.]+)",\s*"(\w+)",?\s*\)')
_WILD: Final = "{}"


@dataclass(frozen=True)
class Operation:
    """One thing that Stripe can be asked: ``POST /v1/invoices/{invoice}/pay`` and its parameters.

    ``params`` is the TypedDict of its parameters, None where there are none.
    """

    method: str
    template: str
    params: ClassText | None


@dataclass(frozen=True)
class ClassText:
    """A class of the wheel: its syntax, and the scope in which its annotations are to be read."""

    node: ast.ClassDef
    module: str
    outer: tuple[ast.ClassDef, ...] = ()

    @property
    def key(self) -> str:
        return ".".join([self.module, *(node.name for node in self.outer), self.node.name])

    def fields(self) -> Iterator[tuple[str, ast.expr]]:
        """The annotated attributes, those of a base in the same module first."""
        for base in self.node.bases:
            if isinstance(base, ast.Name) and base.id.endswith("Base"):
                yield from _functional_fields(self.module, base.id)
        for statement in self.node.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                yield statement.target.id, statement.annotation

    def find(self, name: str) -> ClassText | None:
        """The class that a name in one of the annotations means; None for what is no class."""
        scopes = (*self.outer, self.node)
        for depth in range(len(scopes), 0, -1):
            for statement in scopes[depth - 1].body:
                if isinstance(statement, ast.ClassDef) and statement.name == name:
                    return ClassText(statement, self.module, scopes[:depth])
        return find_class(self.module, name)


def root() -> Path:
    """The folder of the wheel."""
    spec = importlib.util.find_spec("stripe")
    if spec is None or spec.origin is None:
        raise RuntimeError("stripe is not installed: pip install '.[stripe]'")
    return Path(spec.origin).parent


@cache
def api_version() -> str:
    """The version of Stripe's API that the wheel was made for."""
    text = (root() / "_api_version.py").read_text(encoding="utf-8")
    match = re.search(r'CURRENT = "([^"]+)"', text)
    assert match
    return match.group(1)


@cache
def _parsed(module: str) -> ast.Module:
    path = root().parent / Path(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def _top_level(module: str) -> dict[str, ast.ClassDef | str]:
    """The classes of a module, and the modules that its other names come from."""
    found: dict[str, ast.ClassDef | str] = {}
    for node in ast.walk(_parsed(module)):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for name in node.names:
                found.setdefault(name.asname or name.name, f"{node.module}:{name.name}")
    for statement in _parsed(module).body:
        if isinstance(statement, ast.ClassDef):
            found[statement.name] = statement
    return found


def find_class(module: str, name: str) -> ClassText | None:
    """A class by its name, in its module or where that imports it from."""
    found = _top_level(module).get(name)
    if isinstance(found, ast.ClassDef):
        return ClassText(found, module)
    if isinstance(found, str):
        there, _, original = found.partition(":")
        return find_class(there, original) if there.startswith("stripe.") else None
    return None


def _functional_fields(module: str, name: str) -> Iterator[tuple[str, ast.expr]]:
    """The fields of ``X = TypedDict("X", {"from": …})``, for names that Python reserves."""
    for statement in _parsed(module).body:
        if (
            isinstance(statement, ast.Assign)
            and isinstance(statement.targets[0], ast.Name)
            and statement.targets[0].id == name
            and isinstance(statement.value, ast.Call)
            and isinstance(fields := statement.value.args[1], ast.Dict)
        ):
            for key, value in zip(fields.keys, fields.values, strict=True):
                assert isinstance(key, ast.Constant)
                yield str(key.value), value


@cache
def _index() -> dict[str, dict[tuple[str, ...], tuple[str, str]]]:
    """By method, and by path with its variable parts blanked: the template, and the file it is in.

    Found by pattern, since parsing all services takes a quarter of a second.
    """
    found: dict[str, dict[tuple[str, ...], tuple[str, str]]] = {"GET": {}, "POST": {}, "DELETE": {}}
    for file in sorted(root().rglob("_*_service.py")):
        module = ".".join(file.relative_to(root().parent).with_suffix("").parts)
        for method, template in _REQUEST.findall(file.read_text(encoding="utf-8")):
            key = tuple(_WILD if part.startswith("{") else part for part in template.split("/"))
            found[method.upper()].setdefault(key, (template, module))
    return found


def _keys(parts: list[str]) -> Iterator[tuple[str, ...]]:
    """The patterns that a path may match, the most literal first: at most three variables."""
    yield tuple(parts)
    last = len(parts)
    for first in range(last - 1, 1, -1):
        yield (*parts[:first], _WILD, *parts[first + 1 :])
    for first in range(last - 1, 1, -1):
        for second in range(first - 1, 1, -1):
            blanked = list(parts)
            blanked[first] = blanked[second] = _WILD
            yield tuple(blanked)


@cache
def template_of(method: str, shape: tuple[str, ...]) -> tuple[str, str] | None:
    return _index()[method].get(shape)


def find(method: str, path: str) -> tuple[str, tuple[str, ...]] | None:
    """The template of a path, and the values of its variables; None for an unknown path."""
    if method not in _index():
        return None
    parts = path.split("/")
    for key in _keys(parts):
        if known := _index()[method].get(key):
            values = tuple(part for part, blank in zip(parts, key, strict=True) if blank == _WILD)
            return known[0], values
    return None


@cache
def operation(method: str, template: str) -> Operation:
    """An operation by its template, as `find` gives it."""
    key = tuple(_WILD if part.startswith("{") else part for part in template.split("/"))
    module = _index()[method][key][1]
    for function in ast.walk(_parsed(module)):
        if isinstance(function, ast.FunctionDef) and _sends(function, method, template):
            for argument in (*function.args.args, *function.args.kwonlyargs):
                if argument.arg == "params" and argument.annotation:
                    return Operation(method, template, _named(module, argument.annotation))
            return Operation(method, template, None)
    raise LookupError(f"{method} {template} is in no function of {module}")


def _sends(function: ast.FunctionDef, method: str, template: str) -> bool:
    constants = {
        node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return method.lower() in constants and template in constants


def _named(module: str, annotation: ast.expr) -> ClassText | None:
    """The one class that ``Optional["InvoicePayParams"]`` names."""
    for node in ast.walk(annotation):
        name = node.value if isinstance(node, ast.Constant) else getattr(node, "id", None)
        if isinstance(name, str) and (found := find_class(module, name)):
            return found
    return None


def operations() -> Iterator[tuple[str, str]]:
    """The method and the template of every operation."""
    for method, known in _index().items():
        for template, _ in known.values():
            yield method, template


@cache
def object_classes() -> dict[str, tuple[str, str]]:
    """By the value of ``object``: the module and the name of its class."""
    text = (root() / "_object_classes.py").read_text(encoding="utf-8")
    return {name: (module, cls) for name, module, cls in _CLASS_OF.findall(text)}
