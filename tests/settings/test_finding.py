"""Where the config file, and with it the database, is looked for."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path

import pytest

from billing_cli.errors import NotConfiguredError, NotFoundError
from billing_cli.settings import finding, load_settings
from tests.settings.support import problems, write


def test_without_anything_the_defaults_hold(home: Path) -> None:
    settings = load_settings(None, None, {})
    assert settings.config_path is None
    assert settings.warnings == ()
    assert set(settings.sources.values()) == {"default"}
    assert settings.values.compute_rates.cpu_per_core_hour == Decimal("0.05")
    if sys.platform == "linux":
        assert settings.database_url == f"sqlite:///{home}/.local/share/billing/billing.db"


def test_the_first_file_of_the_search_order_is_the_only_one_read(tmp_path: Path) -> None:
    paths = [
        tmp_path / "option.json",
        tmp_path / "variable.json",
        finding.LOCAL_CONFIG,
        finding.user_config_path(),
        finding.SYSTEM_CONFIG,
    ]
    for day, path in enumerate(paths, 1):
        write(path, {"invoiceDay": day})
    option: Path | None = paths[0]
    environ = {"BILLING_CONFIG": str(paths[1])}
    for day, path in enumerate(paths, 1):
        settings = load_settings(option, None, environ)
        assert (settings.config_path, settings.values.invoice_day) == (path, day)
        assert settings.sources["invoiceDay"] == str(path)
        assert settings.sources["alertThreshold"] == "default"
        path.unlink()
        option = None
        environ = {} if day > 1 else environ
    assert load_settings(None, None, {"BILLING_CONFIG": ""}).config_path is None


@pytest.mark.parametrize("origin", ["--config", "BILLING_CONFIG"])
def test_a_named_file_that_is_missing_is_not_found(origin: str) -> None:
    write(Path("billing.json"))
    named = origin == "--config"
    with pytest.raises(NotFoundError, match=rf"gone\.json \(from {origin}\) does not exist"):
        load_settings("gone.json" if named else None, None, {} if named else {origin: "gone.json"})


def test_a_named_folder_or_endless_file_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(NotConfiguredError, match="cannot be read: is a directory"):
        load_settings(str(tmp_path), None, {})
    with pytest.raises(NotConfiguredError, match="larger than 1,048,576 bytes"):
        load_settings("/dev/zero", None, {})


def test_a_home_is_expanded_in_a_named_file(home: Path) -> None:
    write(home / "mine.json", {"invoiceDay": 3})
    assert load_settings("~/mine.json", None, {}).values.invoice_day == 3


@pytest.mark.parametrize("step", ["stat", "open"])
def test_a_folder_that_may_not_be_entered_is_passed_over_a_file_that_may_not_be_read_is_not(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(Path("billing.json"), {"invoiceDay": 9})
    write(finding.SYSTEM_CONFIG, {"invoiceDay": 5})
    genuine = getattr(Path, step)

    def forbidden(path: Path, *arguments: object, **options: object) -> object:
        if path == finding.LOCAL_CONFIG:
            raise PermissionError(13, "Permission denied", str(path))
        return genuine(path, *arguments, **options)

    monkeypatch.setattr(Path, step, forbidden)
    if step == "open":
        with pytest.raises(NotConfiguredError, match=r"billing\.json cannot be read: permission"):
            load_settings(None, None, {})
        return
    settings = load_settings(None, None, {})
    assert settings.values.invoice_day == 5
    assert settings.warnings == ("billing.json was not looked for: its folder may not be entered",)


def test_the_database_comes_from_the_option_the_environment_the_file_in_this_order() -> None:
    path = write(Path("billing.json"), {"databaseUrl": "file.db"})
    environ = {"BILLING_DATABASE_URL": "postgres://h/variable"}
    settings = load_settings(path, "option.db", environ)
    assert settings.database_url == "sqlite:///option.db"
    assert settings.sources["databaseUrl"] == "--database"
    settings = load_settings(path, None, environ)
    assert settings.database_url == "postgresql://h/variable"
    assert settings.sources["databaseUrl"] == "environment BILLING_DATABASE_URL"
    settings = load_settings(path, None, {"BILLING_DATABASE_URL": ""})
    assert settings.database_url == "sqlite:///file.db"
    assert settings.sources["databaseUrl"] == "billing.json"


def test_a_home_that_there_is_not_is_said() -> None:
    with pytest.raises(NotFoundError, match="names no home folder"):
        load_settings("~nobody-of-this-name/billing.json", None, {})
    for content in (
        {"databaseUrl": "~nobody-of-this-name/b.db"},
        {"stripeSecretKeyFile": "~nobody-of-this-name/k"},
    ):
        assert "home folder that cannot be found" in next(iter(problems(content).values()))


def test_a_path_with_control_characters_is_shown_escaped() -> None:
    with pytest.raises(NotFoundError) as caught:
        load_settings("\x1b[31m.json", None, {})
    assert r"'\x1b[31m.json'" in caught.value.message
