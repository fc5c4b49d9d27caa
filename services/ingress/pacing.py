"""Is the job within the limits of its key, team, tenant and model? What it takes of them is held until it ends.

Who waits for an answer takes from what is there, or is refused. A batch job that comes too fast gets a time of its own
to begin, and so does any record of a submit topic: nobody waits at its door who could come again later.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from services.ingress.admission import (
    NO_LIMITS,
    Allowance,
    Caller,
    CompletionRequest,
    Denied,
    Limits,
    Pace,
    Refused,
    above_rate,
    scopes_of,
)
from services.ingress.ports import RateBook, UnavailableError
from shared.clock import Clock
from shared.contracts import Door, Job, Lane

__all__ = ["Paced", "Pacing", "RateTerms"]

_TIME_TO_RUN: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class RateTerms:
    models: Mapping[str, Limits]
    batch_waits: bool
    open_without_redis: bool


@dataclass(frozen=True, slots=True)
class Paced:
    job: Job
    allowance: Allowance | None = None


class Pacing:
    def __init__(self, book: RateBook, terms: RateTerms, clock: Clock) -> None:
        self._book = book
        self._terms = terms
        self._clock = clock

    def go_by(self, terms: RateTerms) -> None:
        """For whatever comes from now on."""
        self._terms = terms

    def demand(self, request: CompletionRequest, caller: Caller, input_tokens: int, longest: timedelta) -> Pace | None:
        """What the request asks of the limits; None when there are none. `longest` is the lane's own deadline."""
        scopes = scopes_of(caller, request.model, self._terms.models.get(request.model, NO_LIMITS))
        if not scopes:
            return None
        choices = request.body.get("n")
        output = (request.output_tokens or 0) * (choices if isinstance(choices, int) else 1)
        waits = request.door is Door.TOPIC or (request.lane is Lane.BATCH and self._terms.batch_waits)
        time = request.deadline or longest
        return Pace(scopes, input_tokens + output, time - min(time / 2, _TIME_TO_RUN) if waits else None)

    async def take(self, job: Job, pace: Pace | None) -> Paced | Refused:
        """The job, perhaps with a time to begin. A refusal takes nothing. Raises UnavailableError, if so configured."""
        if pace is None:
            return Paced(job)
        try:
            found = await self._book.take(job.id, pace)
        except UnavailableError:
            if self._terms.open_without_redis:
                return Paced(job)
            raise
        if isinstance(found, Denied):
            return above_rate(pace, found)
        begins = self._clock() + found.wait if found.wait else None
        if begins is not None and job.not_before is not None:
            begins = max(begins, job.not_before)
        return Paced(job.model_copy(update={"paced": True, "not_before": begins or job.not_before}), found.allowance)

    async def give_back(self, job: Job) -> None:
        """The job will never run."""
        if job.paced:
            with suppress(UnavailableError):  # what it holds ends by itself
                await self._book.give_back(job.id)
