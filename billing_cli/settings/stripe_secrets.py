"""Where Stripe's secrets come from: the environment, a file of their own, or the config file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from billing_cli.settings.checking import Problem
from billing_cli.settings.finding import read_limited, reason_of, shown_path
from billing_cli.settings.values import secret_problem

if TYPE_CHECKING:
    from collections.abc import Mapping

# Each secret's key in the config file, its attribute in the model, and its variable.
SECRETS = (
    ("stripeSecretKey", "stripe_secret_key", "STRIPE_SECRET_KEY"),
    ("stripeWebhookSecret", "stripe_webhook_secret", "STRIPE_WEBHOOK_SECRET"),
)


@dataclass(slots=True)
class FoundSecrets:
    """The secrets found outside the config file's own values, by attribute of the model."""

    values: dict[str, SecretStr] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def find_secrets(
    document: Mapping[str, object], folder: Path, environ: Mapping[str, str]
) -> FoundSecrets:
    """Look each secret up in the environment, then in the file that the document names.

    Paths in the document are relative to ``folder``, the config file's. ``document`` need not
    have been checked: what is not a text there is a problem that its own check reports.
    """
    found = FoundSecrets()
    for key, attribute, variable in SECRETS:
        text = environ.get(variable)
        reference = document.get(f"{key}File")
        if text:
            source, place = f"environment {variable}", variable
        elif isinstance(reference, str) and reference.strip() and "\0" not in reference:
            place = f"{key}File"
            try:
                path = folder / Path(reference).expanduser()
                file = read_limited(path)
                text = file.content.decode().rstrip("\r\n")
            except (OSError, ValueError, RuntimeError) as error:
                found.problems.append(Problem(place, _unreadable(error)))
                continue
            source = shown_path(path)
            if file.exposed:
                found.warnings.append(exposure(path, "holds a secret"))
        else:
            continue
        problem = secret_problem(text)
        if problem:
            found.problems.append(Problem(place, f"the secret {problem}"))
            continue
        found.values[attribute] = SecretStr(text)
        found.sources[key] = source
    return found


def exposure(path: Path, what: str) -> str:
    """Return the warning that a file with something secret in it is readable by others."""
    name = shown_path(path)
    return f"{name} {what} and can be read by other users; make it private: chmod 600 {name}"


def _unreadable(error: OSError | ValueError | RuntimeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "names a file that is not text"
    if isinstance(error, RuntimeError):
        return "names a home folder that cannot be found"
    return f"names a file that cannot be read: {reason_of(error)}"
