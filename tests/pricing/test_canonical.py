"""Canonical content: which differences of spelling do not count, and that all others do."""

from __future__ import annotations

import json
from random import Random  # noqa: TC003 - Hypothesis resolves annotations
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_cli.pricing.canonical import canonical, content_hash

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":1,"b":2}', ' { "b" : 2,\n "a" : 1 }\n'),
        ('{"a":{"c":1,"d":[]}}', '{"a":{"d":[],"c":1}}'),
        ('{"a":2}', '{"a":2.0}'),
        ('{"a":2000}', '{"a":2e3}'),
        ('{"a":0.25}', '{"a":25E-2}'),
        ('{"a":-1.50}', '{"a":-1.5}'),
        ('{"a":0}', '{"a":-0.0}'),
        ('{"a":"\\u00e9"}', '{"a":"é"}'),
        ('{"t":"2025-01-01T00:00:00Z"}', '{"t":"2025-01-01T00:00:00.000Z"}'),
        ('{"t":"2025-01-01T00:00:00Z"}', '{"t":"2025-01-01T05:30:00+05:30"}'),
        ('["2025-01-01T00:00:00.5Z"]', '["2025-01-01t00:00:00.50z"]'),
        ('"2025-01-01T00:00:00Z"', '"2024-12-31T19:00:00-05:00"'),
    ],
)
def test_spelling_makes_no_difference(one: str, other: str) -> None:
    """White space, key order, notation of numbers and times are put aside."""
    assert canonical(one) == canonical(other)
    assert content_hash(one) == content_hash(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":1}', '{"a":2}'),
        ('{"a":1}', '{"a":"1"}'),
        ('{"a":1}', '{"a":1,"b":null}'),
        ('{"a":[1,2]}', '{"a":[2,1]}'),
        ('{"a":true}', '{"a":1}'),
        ('{"a":"x"}', '{"a":"X"}'),
        ('{"a":"x "}', '{"a":"x"}'),
        ('{"a":0.1}', '{"a":0.1000000000000000000000000001}'),
        ('{"a":1e400}', '{"a":1e401}'),
        ('{"a":123456789012345678901}', '{"a":123456789012345678902}'),
        ('{"t":"2025-01-01T00:00:00Z"}', '{"t":"2025-01-01T00:00:00.0000000001Z"}'),
        ('{"t":"2025-01-01T00:00:00Z"}', '{"t":"2025-01-01T00:00:00"}'),
        ('{"t":"2025-01-01T00:00:00Z"}', '{"t":"@1735689600."}'),
        # Not times: the name of a field, a part of a text, a day that does not exist.
        ('{"2025-01-01T00:00:00Z":1}', '{"2025-01-01T00:00:00.0Z":1}'),
        ('["\\"2025-01-01T00:00:00Z"]', '["\\"2025-01-01T00:00:00.0Z"]'),
        ('["at 2025-01-01T00:00:00Z"]', '["at 2025-01-01T00:00:00.0Z"]'),
        ('["2025-02-30T00:00:00Z"]', '["2025-02-30T00:00:00.0Z"]'),
    ],
)
def test_anything_else_makes_one(one: str, other: str) -> None:
    """What says something else has other canonical content and another hash."""
    assert canonical(one) != canonical(other)
    assert content_hash(one) != content_hash(other)


@pytest.mark.parametrize(
    "payload",
    ["", "{", "\ud800", '{"a":' + "1" * 5000 + "}", "[" * 100_000, '{"a":1e' + "9" * 5000],
)
def test_what_cannot_be_read_is_its_own_content(payload: str) -> None:
    """Nothing makes the comparison of two payloads fail."""
    assert canonical(f" {payload}\n") == payload.encode(errors="surrogatepass")


def test_a_hash_is_stable_and_short() -> None:
    """Stored identities depend on it: this value must never change."""
    assert content_hash('{"t":"2025-01-01T00:00:00Z","n":1.50}') == (
        "7f8052857bd352517606b123fae6bdb0"
    )


@given(documents, st.randoms(use_true_random=False))
def test_the_order_of_keys_makes_no_difference(document: Json, shuffler: Random) -> None:
    """A document with its keys shuffled, indented and escaped has the same content."""
    assert canonical(json.dumps(document)) == canonical(
        json.dumps(_shuffled(document, shuffler), indent=2, ensure_ascii=False)
    )


@given(documents, documents)
def test_equal_content_means_equal_documents(one: Json, other: Json) -> None:
    """No two different documents (without numbers in fractions, or times) share their content."""
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (canonical(json.dumps(one)) == canonical(json.dumps(other))) == same


def _shuffled(document: Json, shuffler: Random) -> Json:
    if isinstance(document, list):
        return [_shuffled(item, shuffler) for item in document]
    if isinstance(document, dict):
        keys = list(document)
        shuffler.shuffle(keys)
        return {key: _shuffled(document[key], shuffler) for key in keys}
    return document
