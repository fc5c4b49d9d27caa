"""What a provider call needs: leave to begin, and somebody who makes it."""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Protocol

from services.router_worker.events import AttemptEvent, RateLimit
from services.router_worker.failures import Failure
from services.router_worker.routing.plan import Candidate
from services.router_worker.routing.steps import Openings
from shared.contracts import Job
from shared.ids import AttemptId

__all__ = ["Permit", "Permits", "ProviderCalls"]


class ProviderCalls(Protocol):
    def attempt(
        self,
        job: Job,
        candidate: Candidate,
        attempt_id: AttemptId,
        resume_text: str | None,
        deadline: datetime,
        *,
        key: int = 0,
        traceparent: str | None = None,
    ) -> AsyncGenerator[AttemptEvent, None]:
        """One call, with that key of the provider. Never raises for a failure of the provider: `Failed` or `Finished`
        is the last event.

        Closing the iterator, or cancelling whoever waits for it, closes the provider's connection at once.
        """
        ...


class Permit(Protocol):
    """To call one deployment once. Nothing blocks, nothing raises."""

    @property
    def candidate(self) -> Candidate: ...

    @property
    def key(self) -> int:
        """Which of the provider's keys it is for, counted from 0."""
        ...

    @property
    def key_name(self) -> str | None:
        """What that key is called; None where the provider has but one."""
        ...

    def hear(self, limits: Sequence[RateLimit]) -> None:
        """What the answer's headers say."""
        ...

    def answered(self) -> None:
        """The call has had its first output."""
        ...

    def another_key(self) -> bool:
        """Once the call has failed by its key: whether it could be made with another one, now."""
        ...

    def end(self, used: int | None, failure: Failure | None) -> None:
        """The call is over, and used so many tokens, if anybody knows. Without answer or failure it tells nothing."""
        ...


class Permits(Protocol):
    """Who may call which deployment when, so that its limits are kept by all workers together."""

    def openings(self, candidates: Sequence[Candidate], job: Job) -> Openings: ...

    def take(self, candidate: Candidate, job: Job) -> Permit:
        """For one that is neither parked nor full, as `openings` has just told."""
        ...

    async def queue(self, candidates: Sequence[Candidate], job: Job, until: datetime) -> Permit | None:
        """Wait at all of them for the first that lets the job in; None when nobody does, or one is parked meanwhile."""
        ...
