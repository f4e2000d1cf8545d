"""Properties of printing: no text does harm in any format, and the data come back."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from billing_cli.output import OutputFormat
from tests.printing import NASTY, printed, steers

values = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters()),
    st.builds("".join, st.lists(st.sampled_from(NASTY), max_size=3)),
)
ESCAPE = re.compile(r"\\(?:([tnr])|x([0-9a-f]{2})|u([0-9a-f]{4}))")


def unescaped(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        if found[1]:
            return {"t": "\t", "n": "\n", "r": "\r"}[found[1]]
        return chr(int(found[2] or found[3], 16))

    return ESCAPE.sub(one, text)


@pytest.mark.parametrize("fmt", OutputFormat)
@given(rows=st.lists(st.tuples(values, values), min_size=1, max_size=3))
def test_nothing_steers_a_terminal(fmt: OutputFormat, rows: list[tuple[str, str]]) -> None:
    out = printed([{"a": a, "b": b} for a, b in rows], fmt, "a", "b")
    allowed = "\n\t" if fmt in {OutputFormat.TSV, OutputFormat.CSV} else "\n"
    if fmt is OutputFormat.CSV:
        out = out.replace("\r\n", "\n")
    assert [character for character in out if steers(character) and character not in allowed] == []


@given(rows=st.lists(st.tuples(values, st.integers()), max_size=3))
def test_json_gives_back_the_values(rows: list[tuple[str, int]]) -> None:
    # Two lone surrogates side by side are one character in JSON, as in UTF-16.
    joined = [
        {"a": a.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass"), "b": b}
        for a, b in rows
    ]
    assert json.loads(printed(joined, "json", "a", "b")) == joined
    lines = printed(joined, "jsonl", "a", "b").splitlines()
    assert [json.loads(line) for line in lines] == joined


@given(rows=st.lists(st.tuples(values, values), max_size=3))
def test_csv_gives_back_the_values(rows: list[tuple[str, str]]) -> None:
    out = printed([{"a": a, "b": b} for a, b in rows], "csv", "a", "b")
    header, *cells = csv.reader(io.StringIO(out, newline=""), strict=True)
    assert header == ["a", "b"]
    assert len(cells) == len(rows)
    for row, got in zip(rows, cells, strict=True):
        for value, cell in zip(row, got, strict=True):
            bare = cell[1:] if cell.startswith("'") and not value.startswith("'") else cell
            assert unescaped(bare) == unescaped(value)


@pytest.mark.parametrize("fmt", ["csv", "tsv"])
@given(value=values)
def test_no_cell_is_a_formula(fmt: str, value: str) -> None:
    out = printed([{"a": value}], fmt, "a")
    lines = io.StringIO(out, newline="")
    reader = (
        csv.reader(lines)
        if fmt == "csv"
        else csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    )
    cell = (list(reader)[1] or [""])[0]
    assert re.fullmatch(r"[+-]?\d+(\.\d+)?", cell) or cell.lstrip()[:1] not in set("=+-@＝＋－＠")
    assert cell[:1] not in set("\t\r\n")


@given(rows=st.lists(st.tuples(values, values), max_size=3))
def test_tsv_has_a_line_for_each_record(rows: list[tuple[str, str]]) -> None:
    lines = printed([{"a": a, "b": b} for a, b in rows], "tsv", "a", "b").splitlines()
    assert lines[0] == "a\tb"
    assert len(lines) == 1 + len(rows)
    assert all(line.count("\t") == 1 for line in lines)


@given(rows=st.lists(st.tuples(values, values), min_size=1, max_size=3))
def test_markdown_shows_the_text_as_it_is(rows: list[tuple[str, str]]) -> None:
    out = printed([{"a": a, "b": b} for a, b in rows], "markdown", "a", "b")
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    inlines = [token for token in parser.parse(out) if token.type == "inline"]
    assert len(inlines) == 2 * (1 + len(rows))
    for value, inline in zip([text for row in rows for text in row], inlines[2:], strict=True):
        pieces = inline.children or []
        assert {piece.type for piece in pieces} <= {"text"}
        assert unescaped("".join(piece.content for piece in pieces)).split() == (
            unescaped(value).split()
        )


@given(rows=st.lists(st.tuples(values, values), min_size=1, max_size=3))
def test_plain_table_has_a_line_for_each_row(rows: list[tuple[str, str]]) -> None:
    lines = printed([{"a": a, "b": b} for a, b in rows], "table", "a", "b").splitlines()
    assert len(lines) == 2 + len(rows)
