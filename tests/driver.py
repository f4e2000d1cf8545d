"""A process that starts commands by forking itself, and tells how each ended.

Tests that need many processes, killed or at once, cannot wait half a second for each to import
what it needs; and what is to collide has to start together. A command is a process like any
other: with a process group, files for its output and connections of its own, and its end.

Requests come in as lines of JSON, answers go out as such. ``{"start": …}`` is answered with a
process id (see :class:`Command`), ``{"wait": ID}`` with an exit code, negative for a signal, and
the peak of the process's memory in KiB.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from pkgutil import walk_packages
from typing import TYPE_CHECKING, Any, Final, NoReturn

from tests.shortcuts import build_tree_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from billing_cli.store.unit_of_work import Transaction, UnitOfWork

# A command that takes longer than this hangs.
_LIMIT_SECONDS: Final = 120
# What commands import when they are run, besides the program's own modules.
_LIBRARIES: Final = (
    "alembic.autogenerate",
    "alembic.command",
    "psycopg",
    "rich.progress",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "tabulate",
    "typer._adapters",
)


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: the words after ``billing``, and where.

    Its stdout, stderr and steps go to the files ``out``, ``err`` and ``steps`` in ``folder``.
    ``constants`` holds values for constants of modules, by their full names. ``kill`` is the
    step, and the how-manieth of its kind, at which the process ends as if by ``kill -9``.
    """

    arguments: list[str]
    folder: str
    environ: Mapping[str, str]
    constants: Mapping[str, object] = field(default_factory=dict)
    kill: tuple[str, int] | None = None


class Steps:
    """Writes down what a command does to the database, and ends it at one of these steps.

    They are ``statement`` (one that writes comes), ``commit`` (a COMMIT comes) and ``done`` (a
    COMMIT has been), a letter each in the file.
    """

    KINDS: Final = ("statement", "commit", "done")

    def __init__(self, file: Path, kill: tuple[str, int] | None) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._kill = kill and tuple(kill)
        self._counts: Counter[str] = Counter()

    def reached(self, kind: str) -> None:
        self._counts[kind] += 1
        os.write(self._file, kind[0].encode())
        if self._kill == (kind, self._counts[kind]):
            os.killpg(0, signal.SIGKILL)

    def watch(self) -> None:
        """Be told by all units of work of this process."""
        from billing_cli.store.unit_of_work import Transaction, UnitOfWork

        for name in ("execute", "execute_many", "insert"):
            setattr(Transaction, name, self._before(getattr(Transaction, name)))
        batch = UnitOfWork.batch

        @contextmanager
        def watched(uow: UnitOfWork) -> Iterator[Transaction]:
            with batch(uow) as tx:
                yield tx
                self.reached("commit")
            self.reached("done")

        setattr(UnitOfWork, batch.__name__, watched)

    def _before(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any) -> Any:
            self.reached("statement")
            return method(*arguments)

        return watched


def run(command: Command) -> NoReturn:
    """Be the command, in a process of its own."""
    os.setsid()
    signal.alarm(_LIMIT_SECONDS)
    folder = Path(command.folder)
    os.chdir(folder)
    for descriptor, name in enumerate((os.devnull, "out", "err")):
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC if descriptor else os.O_RDONLY
        os.dup2(os.open(name, flags, 0o600), descriptor)
    for name, value in command.constants.items():
        module, _, constant = name.rpartition(".")
        found = importlib.import_module(module)
        assert hasattr(found, constant), name
        setattr(found, constant, value)
    Steps(folder / "steps", command.kill).watch()
    become(command.arguments, command.environ)


def become(arguments: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Be ``billing`` with these words after it, on the standard streams of this process."""
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["billing", *arguments]
    code = 1
    try:
        importlib.import_module("billing_cli.main").main()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter would do at its end
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _answer(request: Mapping[str, Any]) -> object:
    if "wait" in request:
        _, status, used = os.wait4(request["wait"], 0)
        return {"code": os.waitstatus_to_exitcode(status), "peak_kib": used.ru_maxrss}
    child = os.fork()
    if child == 0:
        run(Command(**request["start"]))
    return child


def preload() -> None:
    """Do before forking what every command would do for itself."""
    package = importlib.import_module("billing_cli")
    names = [module.name for module in walk_packages(package.__path__, "billing_cli.")]
    for name in (*names, *_LIBRARIES):
        # The program's start, and what can only be imported by Alembic when it runs.
        if "__main__" not in name and ".migrations." not in name:
            importlib.import_module(name)
    build_tree_once()
    tree = importlib.import_module("typer.main").get_command(
        importlib.import_module("billing_cli.main").cli
    )
    # Each noun is built when it is looked up.
    list(tree.commands.values())
    # What the collector of a child would look through, the child would have to copy.
    gc.collect()
    gc.freeze()


def main() -> None:
    """Answer requests until there are no more."""
    preload()
    # Unlike iteration over a file, this reads no further than to the end of a line.
    while line := sys.stdin.readline():
        print(json.dumps(_answer(json.loads(line))), flush=True)  # noqa: T201 - how it answers


if __name__ == "__main__":
    main()
