"""A program ``billing`` for shells that starts at once: a server forks what has been imported.

A session in the documentation has dozens of commands, and each would take half a second to import
what it needs. Here the ``billing`` that a shell finds is a few lines that hand their words, folder,
environment and standard streams to the server, and end as the command has ended. The command is
the real one, in a process of its own, on the terminal or pipe of the shell.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from tests.driver import become, preload

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROJECT: Final = Path(__file__).parent.parent
# Imports only what the interpreter has in memory anyway, or what is read fast: it is to start fast.
# Zeroes end the words: neither an argument nor the environment can hold one.
_PROGRAM: Final = """\
#!{python} -IS
import _socket, posix, sys
words = [posix.getcwdb(), b"%d" % (len(sys.argv) - 1)]
words += [word.encode("utf-8", "surrogateescape") for word in sys.argv[1:]]
words += [name + b"=" + value for name, value in posix.environ.items()]
streams = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
server = _socket.socket(_socket.AF_UNIX)
server.connect({address!r})
server.sendmsg([b"\\0".join(words)], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
server.shutdown(_socket.SHUT_WR)
posix._exit((server.recv(1) or b"\\x01")[0])
"""


@contextmanager
def forked_program() -> Iterator[Path]:
    """Give a folder for the PATH whose ``billing`` starts at once, until the context ends."""
    # Not in pytest's folder: the name of a socket has at most about a hundred characters.
    with tempfile.TemporaryDirectory(prefix="billing-") as folder:
        address = Path(folder, "socket")
        program = Path(folder, "bin", "billing")
        program.parent.mkdir()
        program.write_text(_PROGRAM.format(python=sys.executable, address=str(address)), "utf-8")
        program.chmod(0o700)
        with subprocess.Popen(
            [sys.executable, "-m", "tests.forked_program", address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Streams take their encoding from it, and what is read at import is not the machine's.
            env={"HOME": folder, "PATH": os.environ["PATH"], "TERM": "dumb", "LANG": "C.UTF-8"},
            cwd=_PROJECT,
        ) as server:
            assert server.stdin
            assert server.stdout
            assert server.stdout.readline() == b"ready\n"
            try:
                yield program.parent
            finally:
                server.stdin.close()


def _serve(address: str) -> None:
    """Fork commands until whoever started this server closes its side, or is gone."""
    preload()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    # Nobody asks how those ended that wait for commands.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)  # noqa: T201 - how it answers
    while sys.stdin not in select.select([sys.stdin, listener], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _answer(connection)
        connection.close()


def _answer(connection: socket.socket) -> NoReturn:
    """Run one command in a process of its own and send back the code with which it ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    received, streams, _, _ = socket.recv_fds(connection, 65536, 3)
    while piece := connection.recv(65536):
        received += piece
    folder, count, *words = os.fsdecode(received).split("\0")
    child = os.fork()
    if child == 0:
        connection.close()
        os.chdir(folder)
        _take(streams)
        environ = dict(word.split("=", 1) for word in words[int(count) :])
        become(words[: int(count)], environ)
    for stream in streams:
        os.close(stream)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    connection.send(bytes([code if code >= 0 else 128 - code]))
    os._exit(0)


def _take(streams: list[int]) -> None:
    """Make these the standard streams, buffered as the interpreter does it when it starts."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        before = getattr(sys, name)
        made = open(  # noqa: SIM115 - open until the command ends
            number,
            "w" if number else "r",
            buffering=1 if name == "stderr" else -1,
            encoding=before.encoding,
            errors=before.errors,
            closefd=False,
        )
        setattr(sys, name, made)


if __name__ == "__main__":
    _serve(sys.argv[1])
