"""What becomes of records that nobody can work with, and of those that are deadly."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import pytest

from services.router_worker.consumption.burial import Burials, TooManyError
from services.router_worker.consumption.delivery import Delivery, current_delivery
from services.router_worker.consumption.handler import RecordHandler
from services.router_worker.consumption.slots import Slots
from services.router_worker.ports import Place
from shared.burials import BurialLimit
from shared.clock import utc_now
from shared.contracts import DeadLetter, DeadLetterReason, Job
from tests.suites.consumption import Counted
from tests.suites.fleet import a_job


class Killed(BaseException):
    """What happens to a process that reads a deadly record."""


@dataclass
class World:
    """What outlives a worker: Redis, Kafka, and what was done to the jobs."""

    marks: dict[str, set[str]] = field(default_factory=dict)
    letters: list[DeadLetter] = field(default_factory=list)
    served: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    halts: list[str] = field(default_factory=list)
    counted: Counted = field(default_factory=Counted)
    limit: BurialLimit = field(default_factory=lambda: BurialLimit(100))
    deadly: bytes = b""
    crashes: Counter[str] = field(default_factory=Counter)
    """How often serving a job is still to fail, by its id."""

    def worker(self, name: str = "w") -> RecordHandler:
        burials = Burials(self, self.limit, self.counted, self.halts.append, utc_now)
        return RecordHandler(self, self.give_up, burials, Marks(self, name), read=self.read, pause_seconds=0)

    async def bury(self, letter: DeadLetter) -> None:
        self.letters.append(letter)

    def read(self, value: bytes) -> Job:
        if self.deadly and self.deadly in value:
            raise Killed
        return Job.model_validate_json(value)

    async def serve(self, job: Job, place: Place, traceparent: str | None) -> None:
        if self.crashes[job.id]:
            self.crashes[job.id] -= 1
            raise ValueError("a defect")
        self.served.append(job.id)

    async def give_up(self, job: Job, place: Place, traceparent: str | None) -> None:
        self.given_up.append(job.id)


@dataclass
class Marks:
    """The port `ReadingMarks`."""

    world: World
    worker: str

    async def begin(self, origin: str) -> int:
        await asyncio.sleep(0)
        self.world.marks.setdefault(origin, set()).add(self.worker)
        return len(self.world.marks[origin])

    async def end(self, origin: str) -> None:
        await asyncio.sleep(0)
        self.world.marks.pop(origin, None)


async def delivered(handler: RecordHandler, value: bytes, offset: int = 0, *, is_risky: bool = False) -> None:
    slots = Slots(9, lambda: None)
    current_delivery.set(
        Delivery("jobs", 0, offset, b"k", value, {"h": "v"}, slots, slots.take("acme"), is_risky=is_risky)
    )
    await handler.handle(value)


async def test_a_good_record_is_served_and_a_bad_one_is_buried_with_its_reason() -> None:
    world, job = World(), a_job()
    for offset, value in enumerate([job.to_bytes(), b"\xff", b'{"id": 1}', b"[]"]):
        await delivered(world.worker(), value, offset)
    assert world.served == [job.id]
    assert [(letter.offset, letter.reason) for letter in world.letters] == [
        (1, DeadLetterReason.UNDECODABLE),
        (2, DeadLetterReason.SCHEMA),
        (3, DeadLetterReason.SCHEMA),
    ]
    assert (world.letters[0].value, world.letters[0].key, world.letters[0].headers) == (b"\xff", b"k", (("h", "v"),))
    assert world.counted.letters == {"undecodable": 1, "schema": 2}


async def test_a_job_that_meets_a_passing_defect_is_served_after_all() -> None:
    world, job = World(), a_job()
    world.crashes[job.id] = 2
    await delivered(world.worker(), job.to_bytes())
    assert (world.served, world.given_up, world.letters) == ([job.id], [], [])


async def test_a_job_that_meets_a_lasting_defect_ends_and_its_record_is_kept_with_the_stack() -> None:
    world, job = World(), a_job()
    world.crashes[job.id] = 3
    await delivered(world.worker(), job.to_bytes())
    (letter,) = world.letters
    assert (letter.reason, letter.tries, letter.tenant) == (DeadLetterReason.CRASHED, 3, job.tenant)
    assert letter.message == "ValueError('a defect')"
    assert letter.stack is not None
    assert "in serve" in letter.stack
    assert (world.served, world.given_up) == ([], [job.id])


async def test_a_record_that_kills_whoever_reads_it_is_buried_after_three_deaths() -> None:
    world = World(deadly=b"poison")
    with pytest.raises(Killed):
        await delivered(world.worker("first"), b"poison")  # nobody knew of a risk
    for number in range(2):
        with pytest.raises(Killed):
            await delivered(world.worker(f"w{number}"), b"poison", is_risky=True)
    await delivered(world.worker("last"), b"poison", is_risky=True)
    (letter,) = world.letters
    assert (letter.reason, letter.tries, letter.value) == (DeadLetterReason.CRASHED, 3, b"poison")
    assert world.marks == {}


async def test_good_records_that_were_in_the_same_hands_are_not_blamed() -> None:
    """Five workers in a row get a batch of which the third record is deadly: that one is buried, all others served."""
    world, jobs = World(deadly=b"poison"), [a_job() for _ in range(6)]
    values = [job.to_bytes() for job in jobs]
    values.insert(2, b"poison")

    async def batch(handler: RecordHandler) -> None:
        async with asyncio.TaskGroup() as group:
            for offset, value in enumerate(values):
                group.create_task(delivered(handler, value, offset, is_risky=True))

    deaths = 0
    for number in range(5):
        try:
            await batch(world.worker(f"w{number}"))
        except BaseExceptionGroup:
            deaths += 1
        else:
            break
    assert deaths == 2  # and one before anybody knew of a risk
    assert [letter.value for letter in world.letters] == [b"poison"]
    assert {job.id for job in jobs} == set(world.served)


async def test_too_many_bad_records_halt_the_lane_and_stay_where_they_are() -> None:
    world = World(limit=BurialLimit(3))
    handler = world.worker()
    for offset in range(3):
        await delivered(handler, b"bad", offset)
    assert world.halts == []
    for offset in range(3, 5):
        with pytest.raises(TooManyError):
            await delivered(handler, b"bad", offset)
    assert len(world.letters) == 3
    assert "SLUICE_DEAD_LETTERS_MOST" in world.halts[0]


async def test_a_defect_that_meets_every_job_does_not_end_them_all() -> None:
    world, jobs = World(limit=BurialLimit(1)), [a_job(), a_job()]
    world.crashes.update({job.id: 9 for job in jobs})
    await delivered(world.worker(), jobs[0].to_bytes())
    with pytest.raises(TooManyError):
        await delivered(world.worker(), jobs[1].to_bytes(), 1)
    assert world.given_up == [jobs[0].id]
