"""Where secrets come from, and that they are never shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from billing_cli.settings import ConfigurationError, Settings, effective_rows, load_settings
from tests.settings.support import SECRET, load, problems, row, write


def test_a_secret_comes_from_the_environment_then_its_file_then_the_config_file() -> None:
    write(Path("conf/key"), "sk_test_file\n")
    path = write(Path("conf/billing.json"), {"stripeSecretKeyFile": "key"})
    environ = {"STRIPE_SECRET_KEY": "sk_test_variable", "STRIPE_WEBHOOK_SECRET": ""}
    settings = load_settings(path, None, environ)
    assert _secret(settings) == "sk_test_variable"
    assert settings.sources["stripeSecretKey"] == "environment STRIPE_SECRET_KEY"
    settings = load_settings(path, None, {})
    assert _secret(settings) == "sk_test_file"
    assert settings.sources["stripeSecretKey"] == "conf/key"
    settings = load({"stripeSecretKey": SECRET})
    assert _secret(settings) == SECRET
    assert settings.sources["stripeSecretKey"] == "billing.json"


def _secret(settings: Settings) -> str:
    assert settings.values.stripe_secret_key is not None
    return settings.values.stripe_secret_key.get_secret_value()


def test_a_secret_is_never_shown() -> None:
    settings = load({"stripeSecretKey": SECRET}, {"STRIPE_WEBHOOK_SECRET": SECRET})
    rows = effective_rows(settings)
    for shown in (
        repr(settings),
        str(settings.values),
        str(rows),
        settings.values.model_dump_json(),
    ):
        assert SECRET not in shown
        assert SECRET[:8] not in shown
    assert row(settings, "stripeSecretKey")["value"] == "********"
    assert row(load({}), "stripeSecretKey")["value"] is None


@pytest.mark.parametrize("variable", ["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"])
def test_an_odd_secret_is_refused_without_repeating_it(variable: str) -> None:
    with pytest.raises(
        ConfigurationError, match=f"the environment: {variable}: the secret"
    ) as caught:
        load_settings(None, None, {variable: f"{SECRET} "})
    assert SECRET not in caught.value.message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "names a file that cannot be read: no such file or directory"),
        (b"\xff", "names a file that is not text"),
        (b"\n", "the secret must not be empty"),
        (b"two words", "the secret must not hold spaces"),
    ],
)
def test_an_unusable_secret_file_is_one_of_the_problems(content: bytes | None, reason: str) -> None:
    if content is not None:
        write(Path("key"), content)
    said = problems({"stripeSecretKeyFile": "key", "enabled": 3})
    assert said["stripeSecretKeyFile"].startswith(reason)
    assert "enabled" in said


def test_a_secret_and_its_file_contradict_each_other() -> None:
    write(Path("key"), "sk_test_x")
    said = problems({"stripeSecretKey": SECRET, "stripeSecretKeyFile": "key"})
    assert said == {"stripeSecretKeyFile": "cannot be given together with stripeSecretKey"}


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_with_a_secret_that_others_can_read_draws_a_warning(mode: int) -> None:
    (warning,) = load({"stripeSecretKey": SECRET}, mode=mode).warnings
    assert warning == (
        "billing.json holds stripeSecretKey and can be read by other users;"
        " make it private: chmod 600 billing.json"
    )
    write(Path("key"), "sk_test_x", mode)
    (warning,) = load({"stripeSecretKeyFile": "key"}, mode=mode).warnings
    assert warning.startswith("key holds a secret")
    assert load({"databaseUrl": "postgresql://u@h/d"}, mode=mode).warnings == ()


def test_a_private_file_with_a_secret_draws_none() -> None:
    assert load({"stripeSecretKey": SECRET}).warnings == ()
