"""The port `Permits`: every provider call of this worker begins with a permit from here.

A deployment of which no limit is known costs next to nothing: no wait, no word to Redis. Where there is one, or a guard
has no room, those who cannot begin at once stand in line at its keeper.
"""

import asyncio
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from services.router_worker.events import RateLimit
from services.router_worker.failures import Failure, FailureKind
from services.router_worker.governing.keeper import Keeper, Ticket
from services.router_worker.governing.post import Post, Posts
from services.router_worker.resilience.not_now import NotNow
from services.router_worker.routing.plan import Candidate
from services.router_worker.routing.steps import OPEN, Openings
from shared.clock import Clock
from shared.contracts import Job, Lane

__all__ = ["Crowd", "GovernedPermit", "Governor"]

log = structlog.get_logger("quota")


@dataclass(slots=True)
class GovernedPermit:
    """The port `Permit`."""

    candidate: Candidate
    _post: Post
    _keeper: Keeper
    _job: Job
    _reckoned: int
    _era: int
    _begun_at: float
    _answered: bool = False

    @property
    def key(self) -> int:
        return self._keeper.number

    @property
    def key_name(self) -> str | None:
        return self._keeper.key_name

    def hear(self, limits: Sequence[RateLimit]) -> None:
        if self._keeper.account.hear(limits, _now()):
            log.info("limits_heard", deployment=self._keeper.deployment, limits=[str(each) for each in limits])
            self._keeper.stir()

    def answered(self) -> None:
        self._answered = True
        self._post.answered(self._keeper, self._era, _now())

    def another_key(self) -> bool:
        return self._post.another_key(self._keeper, _now())

    def end(self, used: int | None, failure: Failure | None) -> None:
        keeper, now = self._keeper, _now()
        account = keeper.account
        account.gate.end(self._reckoned, used)
        jitter = random.random()  # noqa: S311 - keeps workers apart, guards nothing
        self._post.left(keeper, self._era, failure, now, jitter, answered=self._answered)
        if self._answered and used is not None and failure is None:
            account.expectation.learn(self._job, used)
        if failure is not None and failure.kind is FailureKind.RATE_LIMITED:
            retry_after = (failure.retry_after or timedelta()).total_seconds()
            if account.refuse(self._begun_at, retry_after, now):
                log.info("limit_lowered", deployment=keeper.deployment, share=round(account.share(now), 3))
            keeper.stir()
        else:
            keeper.nudge(now)


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

    def __init__(self, posts: Posts, clock: Clock) -> None:
        self._posts = posts
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for post in self._posts.values():
                for keeper in post.keepers:
                    group.create_task(keeper.run())

    def openings(self, candidates: Sequence[Candidate], job: Job) -> Openings:
        now, today = _now(), self._clock()
        parked: dict[str, NotNow] = {}
        full: dict[str, float | None] = {}
        for candidate in candidates:
            post = self._post(candidate)
            if obstacle := post.obstacle(now, today):
                parked[candidate.name] = obstacle
            elif not post.may_pass(job, now):
                full[candidate.name] = post.guard.patience(now)
        return Openings(parked, full) if parked or full else OPEN

    def take(self, candidate: Candidate, job: Job) -> GovernedPermit:
        post, now = self._post(candidate), _now()
        keeper = post.first_open(job, now)
        reckoned = keeper.cost(job)
        era = keeper.account.gate.enter(reckoned, now)
        keeper.nudge(now)
        return GovernedPermit(candidate, post, keeper, job, reckoned, era, now)

    async def queue(self, candidates: Sequence[Candidate], job: Job, until: datetime) -> GovernedPermit | None:
        lines = self._join(candidates, job)
        if not lines:
            return None
        turn = lines[0].turn
        try:
            await asyncio.wait([turn], timeout=max(0.0, (until - self._clock()).total_seconds()))
        except asyncio.CancelledError:
            if turn.done() and (called := turn.result()):
                self._let_in(called, job).end(0, None)
            raise
        finally:
            for ticket in lines:
                ticket.keeper.account.gate.leave(ticket)
            lines.clear()
        called = turn.result() if turn.done() else None
        return None if called is None else self._let_in(called, job)

    def _let_in(self, ticket: Ticket, job: Job) -> GovernedPermit:
        post = self._post(ticket.candidate)
        return GovernedPermit(ticket.candidate, post, ticket.keeper, job, ticket.tokens, ticket.era, _now())

    def _join(self, candidates: Sequence[Candidate], job: Job) -> list[Ticket]:
        """A place in each line of each of them."""
        turn: asyncio.Future[Ticket | None] = asyncio.get_running_loop().create_future()
        now, lines = _now(), list[Ticket]()
        for candidate in candidates:
            for keeper in self._post(candidate).open_lines(now):
                cost = keeper.cost(job)
                lines.append(
                    Ticket(job.lane, cost, candidate=candidate, keeper=keeper, turn=turn, since=now, lines=lines)
                )
        for ticket in lines:
            ticket.keeper.account.gate.join(ticket)
            ticket.keeper.nudge(now)
        return lines

    def _post(self, candidate: Candidate) -> Post:
        return self._posts[candidate.provider, candidate.model]


def _now() -> float:
    return asyncio.get_running_loop().time()
