"""What the tests of the settings share: writing config files, and what is said about them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from billing_cli.settings import ConfigurationError, Settings, effective_rows, load_settings

ROOT = Path(__file__).resolve().parents[2]
SECRET = "sk_live_51HostileNotShown"
PLAN = {"id": "p", "name": "P", "price": 5, "interval": "year"}


def write(path: Path, content: object = None, mode: int = 0o600) -> Path:
    """Write a config file: bytes and text as they are, anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content or {}))
    path.chmod(mode)
    return path


def load(content: object, environ: dict[str, str] | None = None, mode: int = 0o600) -> Settings:
    return load_settings(write(Path("billing.json"), content, mode), None, environ or {})


def problems(content: object) -> dict[str, str]:
    """Return what is said about each key of a config file that must be refused."""
    with pytest.raises(ConfigurationError) as caught:
        load(content)
    assert caught.value.exit_code == 8
    assert all(str(problem) in caught.value.message for problem in caught.value.problems)
    return {problem.path: problem.text for problem in caught.value.problems}


def row(settings: Settings, key: str) -> dict[str, object]:
    return next(row for row in effective_rows(settings) if row["key"] == key)
