"""The shape of the code: what linters cannot say.

The direction of imports is import-linter's business (``make lint``).
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from billing_cli import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parent.parent
PACKAGE: Final = ROOT / "billing_cli"
# A migration is a list of statements, written once and never changed.
MODULES: Final = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if not path.is_relative_to(PACKAGE / "store" / "migrations" / "versions")
)
LAYERS: Final = ("commands", "services", "store", "gateway", "pricing")
MAX_FILE_LINES: Final = 400
MAX_FUNCTION_LINES: Final = 50
# Each of these costs more than the rest of the program's start. Only a command that needs one
# imports it.
SLOW: Final = {
    "alembic",
    "babel",
    "apprise",
    "http.client",
    "jinja2",
    "msgspec",
    "psycopg",
    "pydantic",
    "requests",
    "rich",
    "segno",
    "smtplib",
    "sqlalchemy",
    "sqlite3",
    "sqlmodel",
    "starlette",
    "stripe",
    "tabulate",
    "typst",
    "uvicorn",
}
TREE: Final = (
    "from typer.main import get_command; from billing_cli.main import cli; tree = get_command(cli)"
)
# In quotes, three crosses are a currency of ISO 4217's.
UNFINISHED: Final = re.compile(r"\b(?:TODO|FIXME|XXX)\b(?!\")")
UNEXPLAINED: Final = re.compile(r"# noqa(?!: [A-Z0-9, ]+ - \w)")

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8"), named(path)))


def public(body: list[ast.stmt]) -> Iterator[Definition]:
    """The public classes and functions of a module, and the public methods of its classes."""
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body)


@pytest.fixture(params=MODULES, ids=named)
def module(request: pytest.FixtureRequest) -> Path:
    assert isinstance(request.param, Path)
    return request.param


def test_files_and_functions_are_short(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES
    lengths = {
        node.name: (node.end_lineno or node.lineno) - node.lineno + 1
        for node in nodes(module)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert [name for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES] == []


def test_everything_public_is_described(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    assert [node.name for node in public(tree.body) if not ast.get_docstring(node)] == []


@pytest.mark.parametrize("path", sorted((PACKAGE / "pricing").glob("*.py")), ids=named)
def test_pricing_knows_no_floats(path: Path) -> None:
    """Money, quantities and times are exact: a float would be right almost always."""
    names = [
        node.lineno
        for node in nodes(path)
        if isinstance(node, ast.Name | ast.Attribute)
        and (node.id if isinstance(node, ast.Name) else node.attr) == "float"
    ]
    literals = [
        node.lineno
        for node in nodes(path)
        if isinstance(node, ast.Constant) and isinstance(node.value, float | complex)
    ]
    assert names + literals == []


def test_only_output_prints(module: Path) -> None:
    if module in {PACKAGE / "output.py", PACKAGE / "screen.py"}:
        return
    prints = [
        node.lineno for node in nodes(module) if isinstance(node, ast.Name) and node.id == "print"
    ]
    streams = [
        node.lineno
        for node in nodes(module)
        if isinstance(node, ast.Attribute)
        and node.attr in {"stdout", "stderr", "__stdout__", "__stderr__"}
    ]
    assert prints + streams == []


def test_no_noun_has_two_names() -> None:
    """``git ls-files '*credits*'`` is a whole feature only if nobody calls it ``credit``."""
    stems = {path.stem for layer in LAYERS for path in (PACKAGE / layer).glob("*.py")}
    assert sorted(stem for stem in stems if f"{stem}s" in stems) == []


def lines_that_match(pattern: re.Pattern[str]) -> list[str]:
    """Where the pattern is found in code and documents, this file aside."""
    folders = ("billing_cli", "tests", "docs", "examples", "benchmarks", "completions")
    files = [*ROOT.glob("*.md"), *(path for name in folders for path in (ROOT / name).rglob("*"))]
    return [
        f"{named(path)}:{number}"
        for path in files
        if path.suffix in {".md", ".py", ".sh", ".mako"} and path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]


def test_nothing_is_left_for_later() -> None:
    assert lines_that_match(UNFINISHED) == []


def test_each_exception_to_a_rule_says_why() -> None:
    assert lines_that_match(UNEXPLAINED) == []


def imported(code: str) -> set[str]:
    """The modules that a new interpreter has after it has run this."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return set(done.stdout.split())


def test_start_up_imports_no_noun() -> None:
    found = imported(TREE)
    assert [name for name in found if name.startswith("billing_cli.commands.")] == []


def test_no_noun_imports_anything_slow() -> None:
    found = imported(f"{TREE}; list(tree.commands.values())")
    assert "billing_cli.commands.reports" in found
    assert sorted(SLOW & found) == []
    # Nor what only a report that is being written needs.
    assert sorted({"billing_cli.exports", "billing_cli.journals", "zoneinfo"} & found) == []


def kinds_of_error() -> list[type[errors.BillingError]]:
    return [errors.BillingError, *errors.BillingError.__subclasses__()]


def test_each_kind_of_error_has_a_code_of_its_own() -> None:
    codes = [kind.exit_code for kind in kinds_of_error()]
    assert sorted(codes) == list(range(1, len(codes) + 1))


@pytest.mark.parametrize("code", [0, *(kind.exit_code for kind in kinds_of_error())])
def test_each_exit_code_is_documented(code: int) -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    table = re.findall(r"^\|\s*`?(\d+)`?\s*\|\s*\S", text, re.MULTILINE)
    assert str(code) in table
