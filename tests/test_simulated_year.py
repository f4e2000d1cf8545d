"""Some weeks of a simulated year, with faults and without; :mod:`tests.simulated_year` has all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulated_year import Year, prove
from tests.workload import HOUR

if TYPE_CHECKING:
    from pathlib import Path

    from tests.databases import Copies


def test_the_books_are_the_same_with_faults(copies: Copies, tmp_path: Path) -> None:
    # Around the end of January; what comes late is billed until May.
    days, first_day, hours = (22, 24, 12) if copies.are_sqlite else (14, 27, 24)
    year = Year(
        days,
        users=5,
        sessions_a_day=3,
        tick_seconds=hours * HOUR,
        first_day=first_day,
        faults=(0.2, 0.2, 0.15),
        outages=0.02,
    )
    with copies.fresh() as clean, copies.fresh() as faulty, copies.fresh() as once:
        figures = prove(year, (clean, faulty, once), tmp_path)
    # All kinds of faults have happened, and there was something to be wrong about.
    assert all(count >= 1 for count in figures["faults"].values()), figures
    assert set(figures["faults"]) >= {"missed", "doubled", "killed"}
    assert min(figures["rows"].values()) > 0, figures
