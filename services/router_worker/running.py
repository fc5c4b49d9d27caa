"""Which jobs run in this process, and how is one of them interrupted?"""

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

    def __contains__(self, job: object) -> bool:
        return job in self._interrupts

    def __len__(self) -> int:
        return len(self._interrupts)

    def ids(self) -> list[JobId]:
        return list(self._interrupts)

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
