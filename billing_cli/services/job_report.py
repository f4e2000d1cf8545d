"""What a job is given, and what it says it has done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from billing_cli.app import App


class Count(NamedTuple):
    """How many there are of something: ``one`` names one of it, ``many`` (default: + s) more."""

    number: int
    one: str
    many: str | None = None

    @property
    def noun(self) -> str:
        """The plural, under which the number is kept."""
        return self.many or f"{self.one}s"

    @property
    def text(self) -> str:
        """The number in words, such as "1,204 records"."""
        return f"{self.number:,} {self.one if self.number == 1 else self.noun}"


@dataclass(frozen=True, slots=True)
class JobReport:
    """What a run did; ``warnings`` are for the operator.

    ``problem`` says in a line what went wrong although the job came to its end: the run counts as
    failed, and is tried again.
    """

    counts: Sequence[Count] = ()
    warnings: Sequence[str] = ()
    problem: str | None = None

    @property
    def did(self) -> str:
        """What was done, in words, without what there was none of."""
        return ", ".join(count.text for count in self.counts if count.number) or "nothing to do"


@dataclass(frozen=True, slots=True)
class Task:
    """A run that a job is to do: at which instant, and whether because its schedule says so."""

    app: App
    now: int
    planned: bool = True
    advance: Callable[[int], None] = lambda _: None
