"""Which results are still to be written? Each job once, only the wanted ones, none that the file has already."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from shared.errors import OperatorError
from shared.ids import parse_job_id

__all__ = ["Collection", "ids_in"]


@dataclass(slots=True)
class Collection:
    wanted: frozenset[str] | None = None
    """None: all of them."""
    count: int | None = None
    """How many are enough; those written by an earlier run count."""
    written: set[str] = field(default_factory=set)

    def takes(self, job: str) -> bool:
        """Whether this one is to be written; it then is."""
        if job in self.written or (self.wanted is not None and job not in self.wanted):
            return False
        self.written.add(job)
        return True

    @property
    def missing(self) -> int:
        """Of the wanted ones."""
        return len(self.wanted - self.written) if self.wanted is not None else 0

    def is_complete(self) -> bool:
        """Never, when neither jobs nor a count were asked for."""
        if self.count is not None and len(self.written) >= self.count:
            return True
        return self.wanted is not None and not self.missing


def ids_in(file: Path) -> Iterator[str]:
    """Ids of jobs: a line each, alone or as the `id` of a JSON object. Raises OperatorError for a line without.

    A last line without its end was being written when its writer was killed, and is left out.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise OperatorError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise OperatorError(f"{file} cannot be read: {error}.") from error
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        job = _id_of(line.strip())
        if job:
            yield job
        elif job is None and line.endswith("\n"):
            raise OperatorError(f"{file}:{number}: neither the id of a job nor a JSON object with one")


def _id_of(text: str) -> str | None:
    """Empty for a line that says of no job at all, such as a blank one or a refused line of `sluice submit --json`."""
    if not text or parse_job_id(text):
        return text
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    job = found.get("id") or ""
    return job if isinstance(job, str) and (not job or parse_job_id(job)) else None
