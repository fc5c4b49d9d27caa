"""A governor in this process: jobs and candidates for it, and a book that is not in Redis."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from operator import itemgetter

from services.router_worker.failures import FailureKind
from services.router_worker.governing.governor import GovernedPermit, Governor
from services.router_worker.governing.news import BreakerNews
from services.router_worker.governing.ports import Dealt, Leases, News, Sharing
from services.router_worker.governing.posting import posts_of
from services.router_worker.ports import Unreachable
from services.router_worker.quota.book import Ask, Book, deal
from services.router_worker.quota.lesson import Lesson, Noted
from services.router_worker.resilience.breaker import Opened
from services.router_worker.resilience.keys import Resting
from services.router_worker.routing.plan import Candidate
from shared.clock import utc_now
from shared.config.schema import Config, Timeouts
from shared.contracts import Door, Interruption, Job, Lane
from shared.ids import new_job_id

__all__ = ["BookHere", "Counts", "SharedHere", "a_config", "a_job", "candidate", "governing", "stands_in_line", "until"]


@dataclass(slots=True)
class BookHere:
    """The port `Leases`, in memory; several governors may share it."""

    books: dict[str, Book] = field(default_factory=dict)
    lessons: dict[str, Noted] = field(default_factory=dict)
    asks: list[Ask] = field(default_factory=list)
    away: bool = False

    async def deal(self, account: str, ask: Ask, known: Noted, new: Lesson | None = None) -> Dealt:
        await asyncio.sleep(0)
        if self.away:
            raise Unreachable("away")
        self.asks.append(ask)
        now = utc_now().timestamp()
        self.books[account], lease = deal(self.books.get(account, Book()), ask, now)
        noted = self.lessons.get(account, Noted())
        if new is not None and known.version == noted.version:
            noted = self.lessons[account] = Noted(new, noted.version + 1)
        return Dealt(lease, now, noted)


@dataclass(slots=True)
class SharedHere:
    """The port `Sharing`, in memory; several workers may share it."""

    until: dict[str, tuple[float, Opened]] = field(default_factory=dict)
    keys: dict[str, tuple[float, Resting]] = field(default_factory=dict)
    told: int = 0
    away: bool = False

    async def share(self, told: News, renewed: Collection[str] = ()) -> News:
        await asyncio.sleep(0)
        if self.away:
            raise Unreachable("away")
        self.told += 1
        now = asyncio.get_running_loop().time()
        for name, each in told.opened.items():
            self.until[name] = max(self.until.get(name, (0.0, each)), (now + each.seconds, each), key=itemgetter(0))
        for name in renewed:
            self.keys.pop(name, None)
        self.keys |= {name: (now + key.seconds, key) for name, key in told.resting.items()}
        return News(
            {name: replace(each, seconds=until - now) for name, (until, each) in self.until.items() if until > now},
            {name: replace(key, seconds=until - now) for name, (until, key) in self.keys.items() if until > now},
        )


@dataclass(slots=True)
class Counts:
    """The ports `GateMeasures`, `GuardMeasures` and `ProbeMeasures`."""

    waits: list[float] = field(default_factory=list)
    leases: Counter[str] = field(default_factory=Counter)
    share: float = 1.0
    openings: Counter[str] = field(default_factory=Counter)
    probes: Counter[str] = field(default_factory=Counter)

    def let_in(self, deployment: str, lane: Lane, waited_seconds: float) -> None:
        self.waits.append(waited_seconds)

    def leased(self, deployment: str, outcome: str) -> None:
        self.leases[outcome] += 1

    def slowed(self, deployment: str, share: float) -> None:
        self.share = share

    def opened(self, deployment: str, because: FailureKind, *, heard: bool) -> None:
        self.openings["heard" if heard else "found"] += 1

    def probed(self, deployment: str, outcome: str) -> None:
        self.probes[outcome] += 1


def a_config(
    limits: Mapping[str, Mapping[str, object]],
    breaker: Mapping[str, object] | None = None,
    bulkhead: Mapping[str, object] | None = None,
    keys: int = 0,
) -> Config:
    """A model `m`, and its deployments with their limits."""
    deployments = [
        {"provider": "p", "model": name, "limits": each, "bulkhead": bulkhead} for name, each in limits.items()
    ]
    return Config.model_validate(
        {
            "providers": {"p": {"base_url": "http://localhost", "keys": [f"key-{number}" for number in range(keys)]}},
            "models": {"m": {"deployments": deployments}},
            "breaker": breaker,
        }
    )


def candidate(name: str) -> Candidate:
    return Candidate(f"p/{name}", "p", name, "m", Timeouts())


def a_job(lane: Lane = Lane.BATCH, *, seconds: float = 60, tokens: int = 10, **body: object) -> Job:
    now = utc_now()
    return Job(
        id=new_job_id(),
        tenant="t",
        caller="c",
        door=Door.JOBS,
        lane=lane,
        model="m",
        body=body,  # type: ignore[arg-type]
        streamed=False,
        on_interrupt=Interruption.RESTART,
        input_tokens=tokens,
        accepted_at=now,
        deadline=now + timedelta(seconds=seconds),
    )


@asynccontextmanager
async def governing(
    leases: Leases,
    limits: Mapping[str, Mapping[str, object]],
    *,
    worker: str = "w1",
    counts: Counts | None = None,
    breaker: Mapping[str, object] | None = None,
    bulkhead: Mapping[str, object] | None = None,
    keys: int = 0,
    sharing: Sharing | None = None,
) -> AsyncIterator[Governor]:
    """Runs as long as the block; leaving it is as if the worker were killed."""
    shift = utc_now().timestamp() - asyncio.get_running_loop().time()
    posts = posts_of(a_config(limits, breaker, bulkhead, keys), worker, leases, counts or Counts(), shift=shift)
    governor = Governor(posts, utc_now)
    running = [asyncio.create_task(governor.run())]
    if sharing is not None:
        running.append(asyncio.create_task(BreakerNews(posts, sharing).run()))
    try:
        yield governor
    finally:
        for each in running:
            each.cancel()
        await asyncio.wait(running)


async def began(governor: Governor, names: Sequence[str], job: Job) -> str:
    """As a journey does it, until a call may begin: at which deployment."""
    candidates = [candidate(name) for name in names]
    openings = governor.openings(candidates, job)
    for each in candidates:
        if each.name not in openings.full and each.name not in openings.parked:
            return governor.take(each, job).candidate.model
    permit = await governor.queue(candidates, job, job.deadline)
    assert permit is not None
    return permit.candidate.model


async def stands_in_line(governor: Governor, seconds: float = 30) -> "asyncio.Task[GovernedPermit | None]":
    """A job before the deployment `a`."""
    waiting = asyncio.create_task(governor.queue([candidate("a")], a_job(), utc_now() + timedelta(seconds=seconds)))
    await asyncio.sleep(0)
    return waiting


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
