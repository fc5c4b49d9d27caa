"""The one file that speaks HTTP to providers: a job and a candidate in, attempt events out."""

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Self

from services.router_worker.events import AttemptEvent
from services.router_worker.routing.plan import Candidate
from shared.clock import Clock
from shared.config.schema import Provider
from shared.contracts import Job
from shared.ids import AttemptId

__all__ = ["Providers"]


class Providers:
    """Connections to all configured providers; entered once for the life of the process."""

    def __init__(self, providers: Mapping[str, Provider], clock: Clock) -> None: ...

    async def __aenter__(self) -> Self:
        raise NotImplementedError

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    def attempt(
        self,
        job: Job,
        candidate: Candidate,
        attempt_id: AttemptId,
        resume_text: str | None,
        deadline: datetime,
        *,
        traceparent: str | None = None,
    ) -> AsyncGenerator[AttemptEvent, None]:
        """Call the candidate and yield what it says.

        Never raises for what a provider does: the last event is `Finished` or `Failed`, at `deadline` at the latest.
        Cancelling it, or closing it (`contextlib.aclosing`), has closed the provider's connection when that returns.
        """
        raise NotImplementedError
