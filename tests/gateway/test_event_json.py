"""JSON arrays with damaged elements: a lost character costs its element and no other."""

from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_cli.gateway.event_files import BadLine, FileProblem, Line, ProblemKind, read_lines
from billing_cli.gateway.event_json import split_json
from billing_cli.gateway.event_lines import is_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from billing_cli.gateway.event_lines import Found

MIB = 2**20
MANY = 2**17


def read(content: bytes) -> list[Found]:
    """Return what a stream of ``content`` holds."""
    return list(read_lines(io.BytesIO(content), "json"))


def element(number: int) -> bytes:
    """Return an event that can be told from others."""
    return b'{"id":"%d","event":"x","data":{"id":"s","user":"u"}}' % number


def good(found: Iterable[Found]) -> list[bytes]:
    """Return the elements that are JSON objects."""
    return [
        one.raw
        for one in found
        if isinstance(one, Line) and one.raw[:1] == b"{" and is_json(one.raw)
    ]


def bad(found: Iterable[Found]) -> list[tuple[int, bytes]]:
    """Return line and text of the others."""
    return [
        (one.number, one.raw) for one in found if not isinstance(one, Line) or not is_json(one.raw)
    ]


@pytest.mark.parametrize("style", [b"\n", b"\n  ", b",\n"])
def test_a_lost_brace_costs_its_element(style: bytes) -> None:
    """In an array of 200,000, more than may be held; the array is closed all the same."""
    elements = [element(number) for number in range(200_000)]
    comma = b"" if style.startswith(b",") else b","
    damaged = [*elements[:1], elements[1][:-1], *elements[2:]]
    content = b"[\n" + (comma + style).join(damaged) + b"\n]\n"
    assert len(content) > 10 * MIB
    found = read(content)
    assert good(found) == elements[:1] + elements[2:]
    assert bad(found) == [(3, elements[1][:-1])]


@pytest.mark.parametrize(
    ("broken", "pieces"),
    [
        (b'{"id": oops, "a":[1,2}', [b'{"id": oops, "a":[1,2}']),
        (b'{"a":{"b":1}', [b'{"a":{"b":1}']),
        (b'{"a":[1,{"b":2]}', [b'{"a":[1,{"b":2]}']),
        (b'{"a":1,2],"b":3}', [b'{"a":1,2],"b":3}']),
        (b'{"a":[1,2', [b'{"a":[1,2']),
        (b'{"a":[1,', [b'{"a":[1']),
        (b'{"a":[{"b":1},', [b'{"a":[{"b":1}']),
        (b'{"a":[[[[{"b":["c', [b'{"a":[[[[{"b":["c']),
        (b'{"a":"b\\', [b'{"a":"b\\']),
        (b"[1,2}", [b"[1,2}"]),
        (b'{"a":["b":1}]}', [b'{"a":["b":1}', b"]", b"}"]),
        (b'{"a"{"b":1}}', [b'{"a"{"b":1}}']),
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_brackets_that_do_not_match(broken: bytes, pieces: list[bytes], *, last: bool) -> None:
    """Wherever the broken element is, the others come out, and the array is closed."""
    before, after = [element(1), element(2)], [] if last else [element(3), element(4)]
    found = read(b"[" + b",\n".join([*before, broken, *after]) + b"\n]\n")
    assert good(found) == before + after
    assert bad(found) == [(3, piece) for piece in pieces]


def test_objects_one_after_another_need_no_array() -> None:
    """A line end does for a comma there."""
    found = read(b'{"a":1\n{"b":2}\n{"c":[3\n{"d":4}\n{"e":"]\n{"f":5}]\n{"g":6}\n')
    assert good(found) == [b'{"b":2}', b'{"d":4}', b'{"f":5}', b'{"g":6}']
    assert bad(found) == [(1, b'{"a":1'), (3, b'{"c":[3'), (5, b'{"e":"]'), (6, b"]")]


@pytest.mark.parametrize("indent", [1, 2, 4])
def test_a_lost_bracket_in_an_array_of_many_lines_each(indent: int) -> None:
    """The damaged element may come out in pieces; lines deeper than elements begin none."""
    elements = [{"id": n, "list": [{"a": 1}, {"b": [2]}], "data": {"id": "s"}} for n in range(5)]
    lines = json.dumps(elements, indent=indent).splitlines(keepends=True)
    others = [elements[n] for n in (0, 1, 3, 4)]
    for number in range(len(lines) * 2 // 5 + 1, len(lines) * 3 // 5):
        for lost in "{}[]":
            damaged = "".join(
                [*lines[:number], lines[number].replace(lost, ""), *lines[number + 1 :]]
            )
            if lost in lines[number]:
                found = read(damaged.encode())
                whole = [json.loads(raw) for raw in good(found)]
                assert [one for one in whole if "list" in one] == others, damaged
                assert not any(isinstance(one, FileProblem) for one in found), damaged


def test_an_array_that_breaks_off_in_a_list_is_still_being_written() -> None:
    """What is unfinished is one piece, as long as nothing begins as elements do after it."""
    elements = [{"id": n, "list": [{"a": 1}, {"b": [2]}]} for n in range(2)]
    content = json.dumps(elements, indent=1).encode()
    first, last, problem = read(content[: content.rindex(b"[")])
    assert isinstance(first, Line)
    assert isinstance(last, Line)
    assert json.loads(first.raw) == elements[0]
    assert (last.number, last.complete) == (15, False)
    assert last.raw.endswith(b'"b":')
    assert isinstance(problem, FileProblem)
    assert problem.kind is ProblemKind.TRUNCATED


def test_a_list_that_swallows_more_than_can_be_held() -> None:
    """It is given up at its first line, and so are those after it, each at the cost of itself."""
    filler = b'{"pad":"' + b"x" * MIB + b'"}'
    swallowing = b'{"a":["b",'
    parts = [element(1), swallowing, *[filler] * 20, element(2), swallowing, element(3)]
    found = read(b"[\n" + b",\n".join(parts) + b"\n]\n")
    assert good(found) == [element(1), *[filler] * 20, element(2), element(3)]
    assert bad(found) == [(3, swallowing[:-1]), (25, swallowing[:-1])]


def test_an_element_too_long_without_an_end() -> None:
    """It ends where the next line begins as it did, and is kept in part."""
    monster = b'{"a":[' + b"1," * 9 * MIB
    for pad in range(8):
        found = read(
            b"[\n" + element(1) + b",\n" + monster + b" " * pad + b"\n" + element(2) + b"]"
        )
        assert good(found) == [element(1), element(2)]
        (cut,) = (one for one in found if isinstance(one, BadLine))
        assert (cut.number, "longer than 16 MiB" in cut.reason) == (3, True)


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "faults",
    [
        b'{"a":[1,\n' * MANY,
        b'{"a":{"b":\n' * MANY,
        b'{"a":[}\n' * MANY,
        b"{[}" * 2 * MANY,
        b'{"a":' * MANY + b"]}" * MANY,
        b'{"a":' * MANY + b"]," * MANY,
        b"[" * 4 * MANY + b"}" * 4 * MANY,
        b"[\n" * 2 * MANY + b"]\n" * 2 * MANY,
        b'"\n{' * 2 * MANY,
        b"]" + b" \n" * 4 * MANY,
        b'{"a":[1,\n' + b"  {" * 4 * MANY,
        b'{"a":[1,\n{"b":[1,\n' + b"1," * 4 * MANY + b"[[]]," * MANY,
    ],
    ids=range(12),
)
def test_many_faults_take_time_in_proportion(faults: bytes) -> None:
    """Read again for each of them, they would take minutes."""
    content = b"[\n" + faults
    size = 2**16
    chunks = (content[at : at + size] for at in range(0, len(content), size))
    began = time.process_time()
    for _ in split_json(chunks):
        pass
    assert time.process_time() - began < 10


TEXTS = st.text('ab[]{},:\\" ', max_size=5)
VALUES = st.recursive(
    TEXTS | st.integers(0, 9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(
    st.lists(st.dictionaries(TEXTS, VALUES, max_size=3), min_size=3, max_size=6),
    st.data(),
    st.booleans(),
)
def test_a_lost_character_costs_no_other_element(
    objects: list[dict[str, object]], data: st.DataObject, spaced: bool
) -> None:
    """Of elements in lines of their own, at any place, in one chunk or byte by byte."""
    separators = (", ", ": ") if spaced else (",", ":")
    elements = [
        json.dumps({"n": number} | one, separators=separators).encode()
        for number, one in enumerate(objects)
    ]
    chosen = data.draw(st.integers(0, len(elements) - 1))
    place = data.draw(st.integers(0, len(elements[chosen]) - 1))
    damaged = list(elements)
    damaged[chosen] = elements[chosen][:place] + elements[chosen][place + 1 :]
    content = b"[\n" + b",\n".join(damaged) + b"\n]\n"
    found = list(split_json([content]))
    others = elements[:chosen] + elements[chosen + 1 :]
    assert [raw for raw in good(found) if raw in others] == others
    assert {number for number, _ in bad(found)} <= {chosen + 2, len(elements) + 2}
    assert not any(isinstance(one, FileProblem) for one in found)
    assert list(split_json(content[at : at + 1] for at in range(len(content)))) == found


@given(st.lists(VALUES, max_size=4), st.sampled_from([None, 0, 1, 4]))
def test_whatever_is_whole_comes_out_whole(values: list[object], indent: int | None) -> None:
    """Any layout that JSON may have is told apart as it was put together."""
    objects = [value if isinstance(value, dict) else {"v": value} for value in values]
    found = list(split_json([json.dumps(objects, indent=indent).encode()]))
    assert [json.loads(raw) for raw in good(found)] == objects
    assert len(found) == len(objects)
