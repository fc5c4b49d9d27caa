"""The port `Permits`: every provider call of this worker begins with a permit from here.

A deployment of which no limit is known costs next to nothing: no wait, no word to Redis. Where there is one, those who
cannot begin at once stand in line at its keeper.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

import structlog

from services.router_worker.events import RateLimit
from services.router_worker.failures import Failure, FailureKind
from services.router_worker.governing.keeper import Keeper, Ticket
from services.router_worker.governing.ports import GateMeasures, Leases
from services.router_worker.quota.account import Account
from services.router_worker.routing.plan import Candidate
from services.router_worker.routing.steps import OPEN, Openings
from shared.clock import Clock
from shared.config.schema import Config, Provider
from shared.contracts import Job, Lane

__all__ = ["Crowd", "GovernedPermit", "Governor", "Keepers", "crowd_of", "keepers_of"]

log = structlog.get_logger("quota")

Keepers = Mapping[tuple[str, str], Keeper]
"""By provider and the model it is asked for."""


@dataclass(slots=True)
class GovernedPermit:
    """The port `Permit`."""

    candidate: Candidate
    _keeper: Keeper
    _job: Job
    _reckoned: int
    _begun_at: float

    def hear(self, limits: Sequence[RateLimit]) -> None:
        if self._keeper.account.hear(limits, _now()):
            log.info("limits_heard", deployment=self._keeper.deployment, limits=[str(each) for each in limits])
            self._keeper.stir()

    def end(self, used: int | None, failure: Failure | None) -> None:
        account = self._keeper.account
        account.gate.end(self._reckoned, used)
        if used is not None and failure is None:
            account.expectation.learn(self._job, used)
        if failure is not None and failure.kind is FailureKind.RATE_LIMITED:
            retry_after = (failure.retry_after or timedelta()).total_seconds()
            if account.refuse(self._begun_at, retry_after, _now()):
                log.info("limit_lowered", deployment=self._keeper.deployment, share=round(account.share(_now()), 3))
            self._keeper.stir()
        else:
            self._keeper.nudge(_now())


@dataclass(frozen=True, slots=True)
class Crowd:
    """The port `Crowds` of consumption, of one lane."""

    lane: Lane
    _models: Mapping[str, Sequence[Keeper]]

    def held_back(self, on_way: Mapping[str, int]) -> Collection[str]:
        return [
            model
            for model, keepers in self._models.items()
            if all(keeper.account.gate.is_fed(self.lane, on_way.get(model, 0)) for keeper in keepers)
        ]

    def watch(self, stirred: Callable[[], None]) -> None:
        for keeper in {keeper for keepers in self._models.values() for keeper in keepers}:
            keeper.watch(stirred)


class Governor:
    """`run` must run as long as anybody calls."""

    def __init__(self, keepers: Keepers, clock: Clock) -> None:
        self._keepers = keepers
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for keeper in self._keepers.values():
                group.create_task(keeper.run())

    def openings(self, candidates: Sequence[Candidate], job: Job) -> Openings:
        now = _now()
        full: set[str] = set()
        parked: dict[str, datetime] = {}
        for candidate in candidates:
            keeper = self._keeper(candidate)
            account, gate = keeper.account, keeper.account.gate
            if account.holds_long(now):
                parked[candidate.name] = self._clock() + timedelta(seconds=gate.held_until - now)
            elif not gate.may_pass(job.lane, _cost(keeper, job), now):
                full.add(candidate.name)
        return Openings(parked, frozenset(full)) if parked or full else OPEN

    def take(self, candidate: Candidate, job: Job) -> GovernedPermit:
        keeper, now = self._keeper(candidate), _now()
        reckoned = _cost(keeper, job)
        keeper.account.gate.enter(reckoned, now)
        keeper.nudge(now)
        return GovernedPermit(candidate, keeper, job, reckoned, now)

    async def queue(self, candidates: Sequence[Candidate], job: Job, until: datetime) -> GovernedPermit | None:
        lines = self._join(candidates, job)
        turn = lines[0].turn
        try:
            await asyncio.wait([turn], timeout=max(0.0, (until - self._clock()).total_seconds()))
        except asyncio.CancelledError:
            if turn.done() and (called := turn.result()):
                called.keeper.account.gate.end(called.tokens, 0)
            raise
        finally:
            for ticket in lines:
                ticket.keeper.account.gate.leave(ticket)
            lines.clear()
        called = turn.result() if turn.done() else None
        if called is None:
            return None
        return GovernedPermit(called.candidate, called.keeper, job, called.tokens, _now())

    def _join(self, candidates: Sequence[Candidate], job: Job) -> list[Ticket]:
        turn: asyncio.Future[Ticket | None] = asyncio.get_running_loop().create_future()
        now, lines = _now(), list[Ticket]()
        for candidate in candidates:
            keeper = self._keeper(candidate)
            cost = _cost(keeper, job)
            lines.append(Ticket(job.lane, cost, candidate=candidate, keeper=keeper, turn=turn, since=now, lines=lines))
        for ticket in lines:
            ticket.keeper.account.gate.join(ticket)
            ticket.keeper.nudge(now)
        return lines

    def _keeper(self, candidate: Candidate) -> Keeper:
        return self._keepers[candidate.provider, candidate.model]


def crowd_of(config: Config, keepers: Keepers, lane: Lane) -> Crowd:
    """A model's own deployments count: nobody goes to a fallback because of a limit."""
    models = {
        name: [keepers[each.provider, each.model or name] for each in model.deployments]
        for name, model in config.models.items()
    }
    return Crowd(lane, models)


def keepers_of(config: Config, worker: str, leases: Leases, measures: GateMeasures, *, shift: float) -> Keepers:
    """One for each model that a provider is asked for, whatever it is called here.

    `shift` is what to add to the loop's clock to get the seconds since the epoch.
    """
    keepers: dict[tuple[str, str], Keeper] = {}
    for name, model in config.models.items():
        for deployment in model.deployments:
            asked = (deployment.provider, deployment.model or name)
            account = f"{'/'.join(asked)}@{_fingerprint(config.providers[deployment.provider])}"
            keepers[asked] = Keeper(
                "/".join(asked), Account(account, worker, deployment.limits, shift), leases, measures
            )
    return keepers


def _fingerprint(provider: Provider) -> str:
    """Another key has another quota. It is short, and says nothing of the key."""
    secret = provider.api_key.get_secret_value() if provider.api_key else ""
    return blake2b(secret.encode(), digest_size=4).hexdigest()


def _cost(keeper: Keeper, job: Job) -> int:
    """Of nobody who does not count tokens."""
    return keeper.account.expectation.of(job) if keeper.account.gate.terms.tokens is not None else 0


def _now() -> float:
    return asyncio.get_running_loop().time()
