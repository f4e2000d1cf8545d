"""A machine of its own for each test of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from billing_cli.settings import finding

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a home, a working directory and a system folder of its own."""
    folder = tmp_path / "home"
    work = tmp_path / "work"
    folder.mkdir()
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(folder))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(finding, "SYSTEM_CONFIG", tmp_path / "etc" / "config.json")
    return folder
