"""What runs in this folder? `up` writes it to a file; the file counts only while `up` holds its lock."""

import fcntl
import os
from enum import StrEnum
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from cli.stack.folder import StackFolder
from shared.contracts import JsonObject
from shared.errors import OperatorError

__all__ = [
    "Phase",
    "ServiceState",
    "StackState",
    "described",
    "is_held",
    "owner",
    "refuse_if_running",
    "running_stack_state",
    "write_private",
    "write_state",
]


class Phase(StrEnum):
    STARTING = "starting"
    READY = "ready"
    UNREADY = "unready"
    """It runs, and says that something it needs is missing."""
    RESTARTING = "restarting"
    """It ended by itself and is given a pause before it is started again."""
    STOPPING = "stopping"
    STOPPED = "stopped"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ServiceState(_Record):
    name: str
    phase: Phase
    since: AwareDatetime
    address: str
    """`host:port`."""
    probe: str | None = None
    """The URL that says whether it is ready."""
    pid: int | None = None
    log: Path | None = None
    """None for a server that is not ours."""
    restarts: int = 0
    trouble: str | None = None


class StackState(_Record):
    pid: int
    version: str
    phase: Phase
    started_at: AwareDatetime
    config: Path
    simulated: bool
    """Whether a simulated provider answers, because there is no `sluice.yaml`."""
    gateway_url: str
    api_key: str | None
    admin_key: str | None = None
    kafka_url: str
    redis_url: str
    postgres_url: str
    namespace: str
    topic_prefix: str
    greeting: str
    """How the stack is used, in words and in lines to paste."""
    examples: str = ""
    """The lines alone."""
    services: tuple[ServiceState, ...] = ()


def running_stack_state(folder: StackFolder) -> StackState | None:
    """None when no `up` runs on the folder, or when it is still starting the servers."""
    if owner(folder) is None:
        return None
    try:
        return StackState.model_validate_json(folder.state.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise OperatorError(
            f"{folder.state} was written by another version of Sluice: end that one with Ctrl-C, then start this one."
        ) from error


def refuse_if_running(folder: StackFolder) -> None:
    """Raises OperatorError when a stack runs on the folder."""
    if pid := owner(folder):
        raise OperatorError(
            f"Sluice is up in this folder already (pid {pid}): `sluice status` shows it, `sluice down` ends it."
        )


def owner(folder: StackFolder) -> int | None:
    """The pid of the `up` that runs on the folder."""
    if not is_held(folder.lock):
        return None
    pid = int(folder.lock.read_text() or "0")
    # After a SIGKILL the lock is held a little longer, by services on their way out.
    return pid if pid and _lives(pid) else None


def is_held(lock: Path) -> bool:
    """Whether a process holds the lock; a file left behind by a dead one does not count."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it lives, as somebody else's
        return True
    return True


def described(stack: StackState) -> JsonObject:
    """For scripts: all but the words for people."""
    return stack.model_dump(mode="json", exclude={"greeting", "examples"})


def write_state(folder: StackFolder, state: StackState) -> None:
    write_private(folder.state, state.model_dump_json(indent=2) + "\n")


def write_private(path: Path, text: str) -> None:
    """In one step, so that a reader sees the old text or the new; for our eyes only, since it may hold a key."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
