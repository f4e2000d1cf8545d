"""The JSON Schema and the documentation know every key and its default."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from billing_cli.settings import json_schema, known_keys
from tests.settings.support import ROOT, load

if TYPE_CHECKING:
    from collections.abc import Iterator


def schema_keys() -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Yield each key in dotted form with its JSON Schema and whether it is required."""
    schema: dict[str, Any] = json_schema()

    def walk(part: dict[str, Any], prefix: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
        assert part["additionalProperties"] is False
        for name, member in part["properties"].items():
            yield f"{prefix}{name}", member, name in part.get("required", ())
            inner = re.search(r"#/\$defs/(\w+)", json.dumps(member))
            if inner:
                step = "[]." if "items" in member else "."
                yield from walk(schema["$defs"][inner[1]], f"{prefix}{name}{step}")

    yield from walk(schema, "")


def test_the_schema_describes_every_key() -> None:
    assert json_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    keys = list(schema_keys())
    assert tuple(key for key, _, _ in keys) == known_keys()
    for key, member, required in keys:
        assert member["description"].endswith("."), key
        composite = "$ref" in member or "items" in member
        assert composite or member["examples"], key
        assert required is (not composite and "default" not in member), key


def test_the_documentation_has_a_section_for_every_key_with_its_default() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    sections = dict(re.findall(r"^### `([^`]+)`\n(.*?)(?=^###|\Z)", text, re.MULTILINE | re.DOTALL))
    assert tuple(sections) == known_keys()
    for key, member, required in schema_keys():
        stated = re.findall(r"^(Required\.|Default: `.+`)$", sections[key], re.MULTILINE)
        if required:
            assert stated == ["Required."], key
        elif "$ref" not in member:
            assert stated == [f"Default: `{json.dumps(member['default'])}`"], key


def test_every_example_of_the_documentation_is_valid() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    examples = re.findall(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert examples
    for example in examples:
        load(example)


def test_importing_the_settings_imports_nothing_heavy() -> None:
    heavy = {"sqlmodel", "sqlalchemy", "typer", "rich", "alembic", "stripe", "msgspec"}
    code = f"import sys, billing_cli.settings; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == ""
