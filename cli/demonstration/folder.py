"""Where does a run keep its things? In a temporary folder, deleted at its end; after a SIGKILL, by the next run."""

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cli.stack.folder import StackFolder
from devstack.stack import erase

__all__ = ["run_folder", "stack_folder"]

_PREFIX: Final = "sluice-demo-"
_KEPT_PREFIX: Final = "sluice-kept-demo-"

_PASSABLE: Final = 0o711
"""PostgreSQL runs as somebody else when we are root, and must pass through."""

_YOUNG_SECONDS: Final = 60.0
"""A run that is just beginning may not hold its lock yet."""


@contextmanager
def run_folder(parent: Path, *, keep: bool) -> Iterator[Path]:
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=_KEPT_PREFIX if keep else _PREFIX, dir=parent))
    folder.chmod(_PASSABLE)
    try:
        yield folder
    finally:
        if not keep:
            _delete(folder)


def stack_folder(folder: Path) -> StackFolder:
    return StackFolder(folder / "stack")


def _sweep(parent: Path) -> None:
    """Nobody else deletes what a run left that got SIGKILL."""
    for folder in parent.glob(f"{_PREFIX}*"):
        if _is_ours(folder) and _is_abandoned(stack_folder(folder).lock):
            _delete(folder)


def _is_ours(folder: Path) -> bool:
    """In a place where anybody may put anything, links and folders of others are not followed."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _is_abandoned(lock: Path) -> bool:
    """Each process of a stack holds its lock, to the last."""
    try:
        if time.time() - lock.stat().st_mtime < _YOUNG_SECONDS:
            return False
        descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # none yet, or somebody else's
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _delete(folder: Path) -> None:
    erase(stack_folder(folder).root)
    shutil.rmtree(folder, ignore_errors=True)
