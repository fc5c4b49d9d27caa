"""The book of `ports.RateBook` kept in memory, on the arithmetic that the script has to agree with."""

from dataclasses import dataclass, field
from datetime import timedelta

from services.ingress.admission import Allowance, Denied, Granted, Left, Pace, tightest
from services.ingress.ports import Dependency, UnavailableError
from shared.ids import JobId
from shared.rates import UNIT, Refusal, Resource, State, missing_ms, take

__all__ = ["MemoryRates"]


@dataclass(slots=True)
class MemoryRates:
    now_ms: int = 1_000_000
    away: bool = False
    states: dict[str, State] = field(default_factory=dict)
    before: dict[JobId, dict[str, State]] = field(default_factory=dict)
    """What was there before each job took."""

    async def take(self, job: JobId, pace: Pace) -> Granted | Denied:
        self._answer()
        names = [scope.name for scope in pace.scopes]
        found = take(
            pace.scopes,
            [self.states.get(name, State(self.now_ms)) for name in names],
            job=job,
            tokens=pace.tokens,
            now_ms=self.now_ms,
            patience_ms=None if pace.patience is None else pace.patience // timedelta(milliseconds=1),
            place_ms=30_000,
        )
        allowance = Allowance(
            *(
                tightest(
                    [
                        Left(
                            limit,
                            max(0, state.buckets[resource].level // UNIT),
                            timedelta(milliseconds=missing_ms(state.buckets[resource], limit, limit * UNIT) or 0),
                        )
                        for scope, state in zip(pace.scopes, found.states, strict=True)
                        for limited, limit in scope.limits()
                        if limited is resource
                    ]
                )
                for resource in (Resource.REQUESTS, Resource.TOKENS)
            )
        )
        if isinstance(found, Refusal):
            retry = None if found.retry_ms is None else timedelta(milliseconds=found.retry_ms)
            return Denied(pace.scopes[found.scope], found.resource, retry, allowance)
        self.before[job] = {name: self.states.get(name, State(self.now_ms)) for name in names}
        self.states |= dict(zip(names, found.states, strict=True))
        return Granted(timedelta(milliseconds=found.wait_ms), allowance)

    async def give_back(self, job: JobId) -> None:
        self._answer()
        self.states |= self.before.pop(job, {})

    def _answer(self) -> None:
        if self.away:
            raise UnavailableError(Dependency.REDIS, "gone for lunch")
