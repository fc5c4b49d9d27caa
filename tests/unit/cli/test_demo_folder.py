"""What a demo leaves on disk, however it ended."""

import fcntl
import os
import time
from pathlib import Path

import pytest

from cli.demonstration.folder import run_folder, stack_folder


def leftover(parent: Path, name: str, *, seconds_old: float = 3600) -> Path:
    """The folder of a run that got SIGKILL."""
    folder = parent / name
    lock = stack_folder(folder).lock
    lock.parent.mkdir(parents=True)
    lock.touch()
    then = time.time() - seconds_old
    os.utime(lock, (then, then))
    return folder


def test_a_run_deletes_its_folder(tmp_path: Path) -> None:
    with run_folder(tmp_path, keep=False) as folder:
        (folder / "file").touch()
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_fails_deletes_its_folder_too(tmp_path: Path) -> None:
    with pytest.raises(InterruptedError), run_folder(tmp_path, keep=False):
        raise InterruptedError
    assert list(tmp_path.iterdir()) == []


def test_what_is_to_be_kept_is_kept_by_later_runs_too(tmp_path: Path) -> None:
    with run_folder(tmp_path, keep=True) as folder:
        leftover(folder.parent, folder.name)
    with run_folder(tmp_path, keep=False):
        assert folder.exists()
    assert folder.exists()


def test_the_folder_of_a_killed_run_is_deleted_by_the_next(tmp_path: Path) -> None:
    killed = leftover(tmp_path, "sluice-demo-killed")
    with run_folder(tmp_path, keep=False):
        assert not killed.exists()


def test_a_folder_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    running = leftover(tmp_path, "sluice-demo-running")
    with stack_folder(running).lock.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with run_folder(tmp_path, keep=False):
            assert running.exists()


def test_a_run_that_is_just_beginning_is_left_alone(tmp_path: Path) -> None:
    young = leftover(tmp_path, "sluice-demo-young", seconds_old=5)
    (tmp_path / "sluice-demo-younger").mkdir()
    with run_folder(tmp_path, keep=False):
        assert young.exists()
        assert (tmp_path / "sluice-demo-younger").exists()


def test_a_link_that_somebody_put_there_is_not_followed(tmp_path: Path) -> None:
    theirs = leftover(tmp_path, "not-a-demo")
    (tmp_path / "sluice-demo-link").symlink_to(theirs)
    with run_folder(tmp_path, keep=False):
        assert theirs.exists()
