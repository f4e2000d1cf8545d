from __future__ import annotations

import os
import signal
import stat
from typing import TYPE_CHECKING

import pytest

from billing_cli.errors import UnavailableError
from billing_cli.gateway.pdf import write_pdf
from billing_cli.gateway.whole_files import PRIVATE, replacing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def write(path: Path, mode: int | None = None) -> None:
    with replacing(path, "make room", mode) as file:
        file.write(b"new")


def write_half(path: Path, error: BaseException) -> None:
    with replacing(path, "make room") as file:
        file.write(b"half")
        raise error


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(("mode", "gets"), [(None, 0o640), (PRIVATE, 0o600), (0o644, 0o644)])
def test_a_new_file_has_the_mode_that_is_asked_for(
    tmp_path: Path, mode: int | None, gets: int
) -> None:
    path = tmp_path / "a"
    write(path, mode)
    assert (path.read_bytes(), mode_of(path)) == (b"new", gets)


@pytest.mark.parametrize("mode", [None, PRIVATE, 0o644])
def test_what_takes_the_place_of_a_file_has_its_mode(tmp_path: Path, mode: int | None) -> None:
    path, link = tmp_path / "a", tmp_path / "link"
    path.touch()
    path.chmod(0o604)
    link.symlink_to(path)
    write(link, mode)
    assert (path.read_bytes(), mode_of(path), link.is_symlink()) == (b"new", 0o604, True)


def test_until_it_is_complete_nobody_else_sees_what_will_be_private(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with replacing(path, "make room", PRIVATE):
        (draft,) = tmp_path.iterdir()
        assert (draft.name[0], draft.suffix, mode_of(draft)) == (".", ".tmp", PRIVATE)


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("x")]
)
def test_whatever_happens_the_old_one_stays(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    raised = UnavailableError if isinstance(error, OSError) else type(error)
    with pytest.raises(raised) as caught:
        write_half(path, error)
    if isinstance(caught.value, UnavailableError):
        assert caught.value.message == f"{path} cannot be written: No space left on device"
        assert caught.value.hint == "make room"
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_kill_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    child = os.fork()
    if not child:
        with replacing(path, "make room") as new:
            new.write(b"half")
            new.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert path.read_text() == "old"


def test_the_longest_names_there_are(tmp_path: Path) -> None:
    for letter in "aä漢🙂":
        path = tmp_path / (letter * (255 // len(letter.encode())))
        write(path)
        assert path.read_bytes() == b"new"


def test_documents_are_on_the_disk_before_they_are_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.pdf"
    flushed: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda _: flushed.append(path.exists()))
    write_pdf(path, b"%PDF-1")
    assert flushed == [False, True]
    assert mode_of(path) == 0o640
