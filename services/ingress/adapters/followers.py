"""Who follows what on this replica: takes the channel's messages apart and hands each entry to the job's readers."""

from collections.abc import Callable

import structlog

from services.ingress.adapters.follower import Cause, Follower, Reread
from shared.ids import JobId
from shared.job_log import Cursor, parse_entry

__all__ = ["Followers"]

log = structlog.get_logger()


class Followers:
    def __init__(self, noted: Callable[[Cause], None], *, queue_bound: int) -> None:
        self._noted = noted
        self._queue_bound = queue_bound
        self._by_job: dict[bytes, set[Follower]] = {}

    def __len__(self) -> int:
        return len(self._by_job)

    def join(self, job: JobId, after: Cursor, read: Reread) -> Follower:
        follower = Follower(after, read, self._noted, bound=self._queue_bound)
        self._by_job.setdefault(job.encode(), set()).add(follower)
        return follower

    def has(self, job: JobId) -> bool:
        return job.encode() in self._by_job

    def leave(self, job: JobId, follower: Follower) -> None:
        follower.close()
        readers = self._by_job[job.encode()]
        readers.discard(follower)
        if not readers:
            del self._by_job[job.encode()]

    def deliver(self, message: bytes) -> None:
        """`job \\n id \\n entry`, any number of times. Jobs nobody follows here any more are passed over."""
        parts = message.split(b"\n")
        for at in range(0, len(parts) - 2, 3):
            readers = self._by_job.get(parts[at])
            if readers is None:
                continue
            try:
                entry = parse_entry(parts[at + 1], parts[at + 2])
            except ValueError:
                log.warning("strange_log_entry", job_id=parts[at].decode("ascii", "replace"))
                continue
            for follower in readers:
                follower.offer(entry)

    def reread(self, job: bytes, cause: Cause) -> None:
        for follower in self._by_job.get(job, ()):
            follower.reread(cause)

    def reread_all(self, cause: Cause) -> None:
        for job in self._by_job:
            self.reread(job, cause)
