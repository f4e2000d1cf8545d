"""What the documentation's terminal sessions show is what a reader sees, and its links lead on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.transcripts import ROOT, commands, rerun

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTS = [ROOT / "README.md", ROOT / "examples" / "README.md"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_terminal_sessions_are_true(path: Path, programs: Path, tmp_path: Path) -> None:
    """After a change that is meant: python -m tests.transcripts README.md."""
    text = path.read_text(encoding="utf-8")
    assert rerun(text, tmp_path, programs) == text


def test_the_installed_program_prints_the_same(programs: Path, tmp_path: Path) -> None:
    """Which is not the one that is forked ready-made for the sessions."""
    session = (
        "<!-- runnable from nothing -->\n```console\n"
        "$ billing meter ingest examples/webhooks.jsonl\n$ billing invoice list; billing nonsense\n"
        "```\n"
    )
    found, wanted = (
        rerun(session, tmp_path / name, *program)
        for name, program in (("installed", ()), ("forked", (programs,)))
    )
    assert found == wanted
    assert "Accepted:" in found
    assert "no such command 'nonsense'" in found


def test_the_sessions_of_the_readme_can_be_followed_one_after_the_other_in_one_terminal(
    programs: Path, tmp_path: Path
) -> None:
    first, *others = (ROOT / "README.md").read_text(encoding="utf-8").split(" from nothing -->")
    text = " from nothing -->".join((first, " -->".join(others)))
    assert rerun(text, tmp_path, programs) == text


def test_every_terminal_session_of_the_readme_is_run() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.count("```console") == text.count("<!-- runnable") > 5


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_of_the_project(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", text):
        assert (path.parent / link).exists(), link


def test_commands_of_a_block() -> None:
    block = "$ one \\\n    more\noutput of one\n$ two\n"
    assert commands(block) == ["one \\\n    more", "two"]


def test_output_that_has_changed_is_replaced(tmp_path: Path) -> None:
    text = "<!-- runnable from nothing -->\n```console\n$ {}\nwrong\n```\n"
    again = rerun(text.format("echo right; echo aside >&2"), tmp_path)
    assert again == text.format("echo right; echo aside >&2").replace("wrong", "right\naside")


def test_blocks_go_on_where_the_last_one_left_off(tmp_path: Path) -> None:
    block = "<!-- runnable{} -->\n```console\n$ {}\n{}```\n"
    text = (
        block.format(" from nothing", "export A=1", "")
        + block.format("", "echo $A", "1\n")
        + block.format(" from nothing", 'echo "<$A>"', "<>\n")
    )
    assert rerun(text, tmp_path) == text
