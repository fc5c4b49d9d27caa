"""Which jobs run in this process, or are about to, and how is one of them interrupted?"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import anyio

from shared.ids import JobId

__all__ = ["Interrupt", "RunningJobs", "Why"]


class Why(StrEnum):
    CANCELLED = "cancelled"
    """The caller wants no more of it."""
    FENCED = "fenced"
    """A higher epoch owns the job."""


class Interrupt:
    """Stops one run from outside. The first reason counts."""

    __slots__ = ("scope", "why")

    def __init__(self, scope: anyio.CancelScope) -> None:
        self.scope = scope
        self.why: Why | None = None

    def stop(self, why: Why) -> None:
        if self.why is None:
            self.why = why
            self.scope.cancel()


class RunningJobs:
    def __init__(self) -> None:
        self._interrupts: dict[JobId, Interrupt] = {}
        self._takers: Counter[JobId] = Counter()
        """Deliveries that wait for the word whether the job is theirs."""

    def __contains__(self, job: object) -> bool:
        return job in self._interrupts

    def __len__(self) -> int:
        return len(self._interrupts)

    def ids(self) -> list[JobId]:
        return list(self._interrupts)

    @contextmanager
    def taking(self, job: JobId) -> Iterator[None]:
        """Whoever has taken it enters it without waiting for anything in between."""
        self._takers[job] += 1
        try:
            yield
        finally:
            self._takers[job] -= 1
            if not self._takers[job]:
                del self._takers[job]

    def is_nobodys(self, job: JobId) -> bool:
        """Whether nobody here runs it, nor takes it besides the one who asks while taking it."""
        return job not in self and self._takers[job] <= 1

    @contextmanager
    def entered(self, job: JobId, interrupt: Interrupt) -> Iterator[None]:
        self._interrupts[job] = interrupt
        try:
            yield
        finally:
            del self._interrupts[job]

    def cancel(self, job: JobId) -> None:
        """Harmless for a job that does not run here."""
        if interrupt := self._interrupts.get(job):
            interrupt.stop(Why.CANCELLED)
