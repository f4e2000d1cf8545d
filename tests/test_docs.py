"""The documentation: its links lead somewhere, its terminal sessions happen, its tables are whole.

Terminal sessions are those of :mod:`tests.transcripts`, with one addition: a fenced block under
``<!-- file: NAME -->`` is a file in the folder of the first session. After a change that is meant,
``BILLING_REWRITE_DOCS=1 pytest tests/test_docs.py`` writes what is printed into the pages.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from billing_cli import errors
from billing_cli.pricing.events import KNOWN_TYPES
from tests.transcripts import rerun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.command_line import Invoke

ROOT: Final = Path(__file__).parent.parent
DOCS: Final = ROOT / "docs"
PACKAGE: Final = ROOT / "billing_cli"
PAGES: Final = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]

FILE: Final = re.compile(
    r"<!-- file: (?P<name>[\w.-]+) -->\n+```\w+\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
FENCED: Final = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK: Final = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADING: Final = re.compile(r"^#+ (?P<text>.+)$", re.MULTILINE)

# Where the reasons are written that `meter rejected list` shows.
REASON_MODULES: Final = (
    "pricing/event_forms",
    "pricing/events",
    "pricing/instants",
    "pricing/quantities",
    "gateway/event_bytes",
    "gateway/event_csv",
    "gateway/event_files",
    "gateway/event_json",
    "gateway/event_lines",
    "services/events",
)
REASON_VARIABLES: Final = {"msg", "reason", "_UNKNOWN_FORM", "CONTRADICTS"}
REASON_CALLS: Final = {"Rejected", "ValueError", "BrokenInputError"}


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def first_cells(text: str, section: str) -> list[str]:
    """The first cells, without backticks, of the table rows under a heading."""
    body = text.partition(f"\n{section}\n")[2]
    body = re.split(r"^#+ ", body, maxsplit=1, flags=re.MULTILINE)[0]
    rows = [line for line in body.splitlines() if line.startswith("|")]
    return [row.split("|")[1].strip().strip("`") for row in rows[2:]]


# Links


def anchors(text: str) -> set[str]:
    """The fragments that GitHub gives the headings of a page."""
    found = set()
    for heading in HEADING.finditer(FENCED.sub("", text)):
        words = re.sub(r"[^\w\- ]", "", heading["text"].strip().lower())
        found.add(words.replace(" ", "-"))
    return found


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_relative_links_lead_somewhere(path: Path) -> None:
    broken = []
    for link in LINK.finditer(FENCED.sub("", path.read_text(encoding="utf-8"))):
        target, _, fragment = link["target"].partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        file = path.parent / target if target else path
        if not file.exists() or (
            fragment and fragment not in anchors(file.read_text(encoding="utf-8"))
        ):
            broken.append(link["target"])
    assert broken == []


def test_the_index_names_every_page() -> None:
    linked = {link["target"] for link in LINK.finditer(page("README.md"))}
    assert {path.name for path in DOCS.glob("*.md")} - {"README.md"} <= linked


# Terminal sessions


RUNNABLE: Final = [path for path in PAGES[1:] if "<!-- runnable" in path.read_text("utf-8")]


@pytest.mark.parametrize("path", RUNNABLE, ids=named)
def test_terminal_sessions_happen_as_shown(path: Path, programs: Path, tmp_path: Path) -> None:
    """With a program that is forked ready-made, as in tests/test_readme.py."""
    text = path.read_text(encoding="utf-8")
    (tmp_path / "1").mkdir()
    for file in FILE.finditer(text):
        (tmp_path / "1" / file["name"]).write_text(file["body"], encoding="utf-8")
    played = rerun(text, tmp_path, programs)
    if os.environ.get("BILLING_REWRITE_DOCS"):
        path.write_text(played, encoding="utf-8")
    else:
        assert played == text


def test_every_terminal_session_is_run() -> None:
    for path in PAGES[1:]:
        text = path.read_text(encoding="utf-8")
        assert text.count("```console") == text.count("<!-- runnable"), path


# Tables that have to be whole


def test_every_event_type_is_documented() -> None:
    cells = first_cells(page("events.md"), "## Types and what they do")
    types = {name.strip().strip("`") for cell in cells for name in cell.split(",")}
    assert types - {"anything else"} == KNOWN_TYPES


def test_every_anomaly_is_documented() -> None:
    tree = ast.parse((PACKAGE / "pricing" / "timelines.py").read_text(encoding="utf-8"))
    kinds = {
        call.args[0].value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "_odd"
        and isinstance(call.args[0], ast.Constant)
    }
    assert len(kinds) >= 5
    assert set(first_cells(page("events.md"), "## Anomalies")) == kinds


def test_every_exit_code_is_documented() -> None:
    codes = {0, *(kind.exit_code for kind in error_kinds(errors.BillingError))}
    assert codes == set(range(9))
    documented = first_cells(page("operations.md"), "## Exit codes")
    assert [cell for cell in documented if len(cell) == 1] == sorted(map(str, codes))


def error_kinds(kind: type[errors.BillingError]) -> Iterator[type[errors.BillingError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from error_kinds(narrower)


def texts_of(node: ast.AST) -> list[str]:
    return [
        part.value
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]


def reasons_in(tree: ast.AST) -> Iterator[ast.AST]:
    """The expressions of a module that become a reason."""
    for node in ast.walk(tree):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AugAssign(target=ast.Name(id=name), value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if name in REASON_VARIABLES:
                yield value
            case ast.Call(func=ast.Name(id=name), args=arguments) if name in REASON_CALLS:
                yield from arguments
            case ast.FunctionDef(name="_why_not_json"):
                yield from (part.value for part in ast.walk(node) if isinstance(part, ast.Return))  # type: ignore[misc]


@pytest.mark.parametrize("module", REASON_MODULES)
def test_every_reason_for_a_rejection_is_documented(module: str) -> None:
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    documented = " ".join(page("events.md").split())
    # Of each reason its longest fixed part: what stands between is the value at fault.
    fixed = {max(texts_of(node), key=len, default="").strip(" :(.'") for node in reasons_in(tree)}
    fixed = {part for part in fixed if len(part) > 4}
    assert fixed
    assert sorted(part for part in fixed if part not in documented) == []


# Moving from SQLite to PostgreSQL


def test_the_script_that_moves_a_database_works(
    invoke_on: Callable[[str], Invoke],
    sqlite_url: str,
    empty_postgres_url: str,
    tmp_path: Path,
) -> None:
    old, new = invoke_on(sqlite_url), invoke_on(empty_postgres_url)
    events = ROOT / "examples" / "webhooks.jsonl"
    old("meter", "ingest", events, at="2026-01-01T00:00:00Z").ok()
    assert old("meter", "ingest", "-", stdin=b"\xff no event").exit_code == 5
    old("invoice", "generate", "--finalize", at="2026-01-01T00:00:00Z").ok()
    new("db", "upgrade").ok()

    scripts = {file["name"]: file["body"] for file in FILE.finditer(page("operations.md"))}
    (tmp_path / "move.py").write_text(scripts["move.py"], encoding="utf-8")
    file = sqlite_url.removeprefix("sqlite:///")
    subprocess.run(
        [sys.executable, tmp_path / "move.py", file, empty_postgres_url], check=True, cwd=ROOT
    )

    for command in (
        ("invoice", "list", "-o", "json"),
        ("meter", "sessions", "-o", "json"),
        ("meter", "rejected", "list", "-o", "json"),
        ("config", "history", "-o", "json"),
    ):
        before = old(*command, at="2026-01-01T00:00:00Z").ok().stdout
        assert new(*command, at="2026-01-01T00:00:00Z").ok().stdout == before != "[]\n"
    again = new("meter", "ingest", events, "-o", "json", at="2026-01-01T00:00:00Z").ok().json()
    assert again["accepted"] == 0
    new("db", "check").ok()
