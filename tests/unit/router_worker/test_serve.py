"""In which order does a job end, so that nothing is lost, and nothing believed too soon, whatever dies or forgets?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from services.router_worker.measures import WorkerMeasures
from services.router_worker.outcome import Outcome
from services.router_worker.ports import Begun, Ended, Owned, RunningElsewhere, Taken, Uncertain
from services.router_worker.routing.plan import Plan
from services.router_worker.run import CANCELLED, Run, Verdict
from services.router_worker.running import RunningJobs
from services.router_worker.serve import Server
from shared.config.schema import Retention
from shared.contracts import AttemptFinished, Job, JobEnded
from shared.ids import JobId
from shared.job_log import EventType
from shared.telemetry import Instruments
from tests.suites.fleet import a_job
from tests.suites.ingress import an_end

Claim = Mapping[str, bytes]


@dataclass(slots=True)
class AWorld:
    """All that is around a server: notes in which order it hears what, and what the claim would be restored with."""

    heard: list[str] = field(default_factory=list)
    claim: Claim = field(default_factory=dict)
    claim_when_published: Claim = field(default_factory=dict)
    ended_elsewhere: Ended | None = None
    unheard_seconds: float = 0.0
    of_this_worker: RunningElsewhere | None = None
    ends_meanwhile: Ended | None = None

    # --- claims ---

    async def take(self, job: Job, facts: bytes, ttl_ms: int) -> Owned:
        if self.unheard_seconds and "waits" not in self.heard:
            return Uncertain(self.unheard_seconds)
        if self.of_this_worker is not None:
            return self.of_this_worker
        return self.ended_elsewhere or Taken(1, 1, b"", cancelled=False, deaths=0, begun={}, finished={})

    async def take_over(self, job: Job, facts: bytes, ttl_ms: int, former: RunningElsewhere) -> Owned:
        self.heard.append(f"takes over from {former.owner}")
        self.of_this_worker = None
        return await self.take(job, facts, ttl_ms)

    # --- shadows ---

    async def wait(self, job: JobId, unheard_seconds: float = 0.0) -> bool:
        assert unheard_seconds == self.unheard_seconds
        self.heard.append("waits")
        if self.ends_meanwhile is not None:
            self.of_this_worker, self.ended_elsewhere = None, self.ends_meanwhile
        return self.heard.count("waits") == 2

    async def note(self, job: JobId, epoch: int, field: str, value: bytes) -> Begun:
        self.heard.append(f"claim: {field}")
        return Begun.OK

    # --- journals ---

    def open(
        self,
        job: Job,
        taken: Taken,
        claim: dict[str, bytes],
        ttl_ms: int,
        on_fenced: Callable[[], None],
    ) -> "AWorld":
        self.claim = claim
        return self

    async def end(self, event: EventType, data: bytes, outcome: bytes, ttl_ms: int, used_tokens: int) -> bool:
        self.heard.append(f"log: {event}")
        return True

    def close(self) -> None:
        self.heard.append("log closed")

    # --- outcomes ---

    async def publish(self, ended: JobEnded, attempts: Sequence[AttemptFinished], traceparent: str | None) -> None:
        self.claim_when_published = dict(self.claim)
        self.heard.append(f"result: {ended.status}")


class APlace:
    def step_aside(self) -> None: ...

    def step_back(self) -> None: ...


async def _cancelled_at_once(run: Run) -> Verdict:
    return CANCELLED


async def served(world: AWorld, running: RunningJobs | None = None, job: Job | None = None) -> None:
    around: Any = world
    server = Server(
        worker="w",
        claims=around,
        shadows=around,
        journals=around,
        answers=around,
        outcomes=around,
        queue=around,
        traveller=around,
        conductor=around,
        measures=WorkerMeasures(Instruments("test")),
        running=RunningJobs() if running is None else running,
        plan=lambda _: Plan(()),
        retention=Retention(),
        clock=lambda: datetime.now(UTC),
    )
    await server._serve(job or a_job(), cast("Any", APlace()), None, _cancelled_at_once)


async def test_the_log_ends_first_then_kafka_has_it_and_then_the_claim_says_so() -> None:
    world = AWorld()
    await served(world)
    assert world.heard == ["log: cancelled", "result: cancelled", "claim: published", "log closed"]


async def test_a_claim_that_is_restored_before_kafka_has_the_result_does_not_say_that_it_has() -> None:
    world = AWorld()
    await served(world)
    assert "published" not in world.claim_when_published
    assert world.claim["published"] == b"1"


async def test_a_job_that_somebody_may_run_is_waited_for_as_long_as_they_may_be_heard() -> None:
    world = AWorld(unheard_seconds=2.5)
    await served(world)
    assert world.heard == ["waits", "log: cancelled", "result: cancelled", "claim: published", "log closed"]


async def test_a_job_whose_claim_names_this_worker_and_that_does_not_run_here_is_taken_over() -> None:
    world = AWorld(of_this_worker=RunningElsewhere("w", 1))
    await served(world)
    assert (world.heard[0], world.heard[-1]) == ("takes over from w", "log closed")


async def test_a_job_that_another_delivery_is_about_to_run_here_is_not_taken_over() -> None:
    running, job = RunningJobs(), a_job()
    ended = Ended(b"", "w", owner_lives=True, published=True)
    world = AWorld(of_this_worker=RunningElsewhere("w", 1), ends_meanwhile=ended)
    with running.taking(job.id):
        await served(world, running, job)
    assert world.heard == ["waits"]


async def test_what_its_owner_never_says_to_be_published_is_published_once_more() -> None:
    told = Outcome(ended=an_end(a_job()), attempts=()).to_bytes()
    world = AWorld(ended_elsewhere=Ended(told, "other", owner_lives=True, published=False))
    await served(world)
    assert world.heard == ["waits", "waits", "result: succeeded", "claim: published"]
