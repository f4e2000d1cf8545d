"""Being the only process that does a thing: whichever way leads to the database."""

from __future__ import annotations

from contextlib import contextmanager
from shutil import rmtree
from typing import TYPE_CHECKING

import pytest

from billing_cli.errors import UnavailableError
from billing_cli.store import deliveries, jobs
from billing_cli.store.engine import open_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy.engine import Engine

    Lock = Callable[[Engine], AbstractContextManager[bool]]

LOCKS = pytest.mark.parametrize("lock", [jobs.lock, deliveries.only_deliverer])


@contextmanager
def engine_of(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    yield engine
    engine.dispose()


@LOCKS
def test_a_second_is_told_until_the_first_has_done(database_url: str, lock: Lock) -> None:
    with engine_of(database_url) as one, engine_of(database_url) as other:
        with lock(one) as first, lock(other) as second:
            assert (first, second) == (True, False)
        with lock(other) as again:
            assert again


def test_the_locks_of_jobs_and_deliveries_are_two(database_url: str) -> None:
    with (
        engine_of(database_url) as engine,
        jobs.lock(engine) as first,
        deliveries.only_deliverer(engine) as second,
    ):
        assert (first, second) == (True, True)


@LOCKS
def test_a_link_to_the_database_leads_to_the_same_lock(
    sqlite_url: str, tmp_path: Path, lock: Lock
) -> None:
    with engine_of(sqlite_url) as one:
        link = tmp_path / "link.db"
        link.symlink_to(str(one.url.database))
        with engine_of(f"sqlite:///{link}") as other, lock(one) as first, lock(other) as second:
            assert (first, second) == (True, False)
    assert [path.name for path in tmp_path.glob("link*")] == ["link.db"]


@LOCKS
def test_a_lock_file_that_cannot_be_made_is_said(tmp_path: Path, lock: Lock) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with engine_of(f"sqlite:///{folder}/billing.db") as engine:
        engine.dispose()
        rmtree(folder)
        with (
            pytest.raises(UnavailableError, match=r"lock file .* cannot be made"),
            lock(engine),
        ):
            pass
