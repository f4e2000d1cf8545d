"""Database URLs: the forms they are written in, and the passwords in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from billing_cli.errors import UsageError
from billing_cli.settings import (
    ConfigurationError,
    effective_rows,
    load_settings,
    mask_database_url,
)
from billing_cli.settings.database_url import normalise_database_url
from tests.settings.support import load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("billing.db", "sqlite:///billing.db"),
        ("/var/lib/x.db", "sqlite:////var/lib/x.db"),
        ("sqlite:///a b.db", "sqlite:///a b.db"),
        ("SQLITE:////x.db", "sqlite:////x.db"),
        ("postgres://u:p@h:5432/d?sslmode=require", "postgresql://u:p@h:5432/d?sslmode=require"),
        ("postgresql+psycopg://h/d", "postgresql://h/d"),
    ],
)
def test_a_database_url_is_brought_to_one_form(written: str, url: str) -> None:
    assert normalise_database_url(written) == url


def test_a_bare_path_may_start_at_home(home: Path) -> None:
    assert normalise_database_url("~/b.db") == f"sqlite:///{home}/b.db"


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "x.db\n",
        "\x1b[31m",
        "sqlite://x.db",
        "mysql://u:pw@h/d",
        "a?b",
        "postgresql+asyncpg://h",
    ],
)
def test_a_bad_database_url_is_refused_without_repeating_it(written: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings(None, written, {})
    for content, environ in (
        ({"databaseUrl": written}, {}),
        ({}, {"BILLING_DATABASE_URL": written}),
    ):
        if "" not in environ.values():  # An empty variable counts as not set.
            with pytest.raises(
                ConfigurationError, match=r"(databaseUrl|BILLING_DATABASE_URL): "
            ) as other:
                load(content, environ)
            assert "pw" not in other.value.message
    assert "pw" not in caught.value.message + str(caught.value.hint)
    assert caught.value.message.startswith("--database must ")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:pw@h/d",
        "postgresql://u:p@pw@h/d",
        "postgresql://u:a/pw?b@h/d",
        "postgresql://h/d?user=u&password=pw",
        "postgresql://:pw@h/d",
    ],
)
def test_a_password_in_a_url_is_masked(url: str) -> None:
    assert "pw" not in mask_database_url(url)
    assert "********" in mask_database_url(url)
    settings = load({"databaseUrl": url}, mode=0o644)
    assert "pw" not in repr(settings) + str(settings.values) + str(effective_rows(settings))
    assert settings.database_url == url
    assert "the password in databaseUrl" in settings.warnings[0]


@pytest.mark.parametrize(
    "url", ["sqlite:////x@y:z.db", "postgresql://u@h:5432/d", "postgresql://h/d"]
)
def test_a_url_without_a_password_is_shown_as_it_is(url: str) -> None:
    assert mask_database_url(url) == url
