"""Templates of messages: the program's own, or those an operator has put in their place.

For each type of event there is a text, whose first line is ``Subject: …``; the HTML is that of
the type, where a template for it exists, or else the text in ``message.html``. They are looked
for in the operator's folder and then in the program's own, in the folder of the user's language
(``pt-BR``, then ``pt``) before the folder itself.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.pricing.profiles import is_language

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jinja2 import Environment

_OWN: Final = Path(__file__).parent.parent / "templates" / "mail"
_SUBJECT: Final = "Subject:"


class TemplateError(Exception):
    """A template cannot be used; the text says which, where and why."""


class Rendered(NamedTuple):
    """What a message says."""

    subject: str
    text: str
    html: str


class Templates:
    """Renders the message for an event."""

    def __init__(self, folder: Path | None, filters: Mapping[str, Callable[[object], str]]) -> None:
        """Keep where an operator's templates are, None for nowhere, and what formats values."""
        self._folder = folder
        self._filters = filters

    def render(self, kind: str, language: str | None, values: Mapping[str, object]) -> Rendered:
        """Return the message for an event of a type in a language as far as there is one.

        Raises :class:`TemplateError` where a template is wrong or asks for what there is not.
        """
        from jinja2 import TemplateError as JinjaError

        try:
            head, _, body = self._text(f"{kind}.txt", language, values).partition("\n")
            if not head.startswith(_SUBJECT):
                raise TemplateError(f"{kind}.txt does not begin with {_SUBJECT!r}")
            subject, text = head.removeprefix(_SUBJECT).strip(), f"{body.strip()}\n"
            paragraphs = [part.splitlines() for part in re.split(r"\n\s*\n", text.strip())]
            html = self._html(
                kind, language, {**values, "subject": subject, "paragraphs": paragraphs}
            )
        except JinjaError as error:
            where = getattr(error, "name", None) or kind
            line = getattr(error, "lineno", None)
            place = f"{where}:{line}" if line else where
            raise TemplateError(f"the template {place} cannot be used: {error}") from error
        except (OSError, UnicodeDecodeError, ArithmeticError, TypeError, ValueError) as error:
            raise TemplateError(f"the template {kind} cannot be used: {error}") from error
        return Rendered(subject, text, html)

    def _text(self, name: str, language: str | None, values: Mapping[str, object]) -> str:
        return self._environment.select_template(_places(name, language)).render(values)

    def _html(self, kind: str, language: str | None, values: Mapping[str, object]) -> str:
        names = [*_places(f"{kind}.html", language), *_places("message.html", language)]
        return self._environment.select_template(names).render(values)

    @cached_property
    def _environment(self) -> Environment:
        from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        folders = [*([] if self._folder is None else [self._folder]), _OWN]
        environment = ImmutableSandboxedEnvironment(
            loader=ChoiceLoader([FileSystemLoader(folder) for folder in folders]),
            undefined=StrictUndefined,
            autoescape=lambda name: name is not None and name.endswith(".html"),
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters.update(self._filters)
        return environment


def _places(name: str, language: str | None) -> list[str]:
    """Return where a template may be, the most fitting first."""
    if language is None or not is_language(language):
        return [name]
    parts = language.split("-")
    tags = ["-".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return [*(f"{tag}/{name}" for tag in tags), name]
