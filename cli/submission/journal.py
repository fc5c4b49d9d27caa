"""Which lines are in already? Remembered on disk until all of a file are, so that a second run sends only the rest.

The first entry is the submission's own name. What is sent again under it is known to the gateway, so that a line whose
answer was lost, or not written down any more, is no second job.
"""

import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

__all__ = ["Became", "Journal", "journal_path", "opened_journal"]


class Became(NamedTuple):
    """What a line has become. Either may be unknown, as `Accepted` says."""

    job: str | None
    record: str | None


@dataclass(slots=True)
class Journal:
    accepted: dict[str, Became]
    """By the line's fingerprint."""
    submission: str
    """The same in every run until all lines are in, and never used again."""
    _file: IO[str] | None
    _resumed: int = field(init=False)

    def __post_init__(self) -> None:
        self._resumed = len(self.accepted)

    @property
    def resumed(self) -> int:
        """How many lines an earlier run had brought in."""
        return self._resumed

    def note(self, fingerprint: str, became: Became) -> None:
        """Afterwards a later run knows it, also when this process is killed now."""
        self.accepted[fingerprint] = became
        if self._file is not None:
            self._file.write(json.dumps([fingerprint, *became]) + "\n")
            self._file.flush()


def journal_path(folder: Path, file: Path, destination: str) -> Path:
    """One for each file and place: `destination` names the door, and what else makes it another submission."""
    name = hashlib.sha256(f"{file.absolute()}\n{destination}".encode()).hexdigest()[:32]
    return folder / f"{name}.jsonl"


@contextmanager
def opened_journal(path: Path | None) -> Iterator[Journal]:
    """None: nothing can be remembered, since what comes through a pipe cannot be read again."""
    if path is None:
        yield Journal({}, _new_name(), None)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        file.seek(0)
        name = _name(file.readline())
        if name is None:
            file.truncate(0)
            name = _new_name()
            file.write(json.dumps([name]) + "\n")
            file.flush()
        yield Journal(dict(_entries(file)), name, file)


def _new_name() -> str:
    return secrets.token_hex(16)


def _name(first: str) -> str | None:
    """None where there is none: the file is new, or its writer was killed at once."""
    if not first.endswith("\n"):
        return None
    (name,) = json.loads(first)
    return str(name)


def _entries(file: IO[str]) -> Iterator[tuple[str, Became]]:
    for line in file:
        if not line.endswith("\n"):
            return  # the run before was killed while it wrote this
        fingerprint, job, record = json.loads(line)
        yield fingerprint, Became(job, record)
