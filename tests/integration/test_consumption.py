"""The watermark subscriber on the real broker: nothing is committed before it ended, nothing that ended is repeated."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from services.router_worker.consumption.delivery import current_delivery
from tests.suites.consumption import committed, consuming, new_topic, produce
from tests.suites.fleet import until
from tests.suites.timing import soon


@pytest.fixture
async def topic(kafka_url: str, fresh_name: Callable[[str], str]) -> str:
    return await new_topic(kafka_url, fresh_name("jobs"))


async def test_the_commit_stops_before_the_one_job_that_still_runs(kafka_url: str, topic: str) -> None:
    ended: set[bytes] = set()
    release = asyncio.Event()

    async def handler(value: bytes) -> None:
        if value == b"3":
            await release.wait()
        ended.add(value)

    await produce(kafka_url, topic, 10, partition=0)
    async with consuming(kafka_url, topic, handler, drain_seconds=0.1):
        await until(lambda: len(ended) == 9, "nine of ten end")
    assert (await committed(kafka_url, topic))[0] == 3


async def test_the_next_owner_repeats_only_what_had_not_ended(kafka_url: str, topic: str) -> None:
    seen: list[bytes] = []

    async def stuck_at_three(value: bytes) -> None:
        if value == b"3":
            await asyncio.Event().wait()
        seen.append(value)

    async def prompt(value: bytes) -> None:
        seen.append(value)

    await produce(kafka_url, topic, 10, partition=0)
    async with consuming(kafka_url, topic, stuck_at_three, drain_seconds=0.1):
        await until(lambda: len(seen) == 9, "nine of ten end")
    async with consuming(kafka_url, topic, prompt):
        await until(lambda: b"3" in seen, "the tenth ends elsewhere")
    assert Counter(seen) == Counter(b"%d" % number for number in range(10))
    assert (await committed(kafka_url, topic))[0] == 10


async def test_a_second_worker_takes_its_share_and_nothing_is_lost_or_repeated(kafka_url: str, topic: str) -> None:
    ended: Counter[bytes] = Counter()
    of_second: set[bytes] = set()
    dice = random.Random(7)

    async def handler(value: bytes) -> None:
        await asyncio.sleep(dice.uniform(0.05, 0.4))
        ended[value] += 1

    async def seconds_handler(value: bytes) -> None:
        of_second.add(value)
        await handler(value)

    await produce(kafka_url, topic, 400)
    async with consuming(kafka_url, topic, handler, slots=40) as first:
        await until(lambda: len(ended) > 40, "the first works")
        async with consuming(kafka_url, topic, seconds_handler, slots=40) as second:
            await produce(kafka_url, topic, 400, first=400)  # it may have taken longer to join than 400 jobs take
            await until(lambda: bool(of_second), "the second gets work")
            await until(lambda: len(ended) == 800, "all end")
            await until(lambda: not first.running_jobs and not second.running_jobs, "both are idle")
    # A job that ran while its partition moved is delivered to the new owner too: here, without claims, it runs twice.
    assert set(ended) == {b"%d" % number for number in range(800)}
    assert sum(ended.values()) - 800 <= 40
    assert sum((await committed(kafka_url, topic)).values()) == 800


async def test_no_more_jobs_run_than_there_are_slots(kafka_url: str, topic: str) -> None:
    running, most, ended = 0, 0, 0

    async def handler(value: bytes) -> None:
        nonlocal running, most, ended
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        ended += 1

    await produce(kafka_url, topic, 60)
    async with consuming(kafka_url, topic, handler, slots=5):
        await until(lambda: ended == 60, "all end")
    assert most == 5


async def test_a_job_that_steps_aside_frees_its_slot_but_holds_its_offset(kafka_url: str, topic: str) -> None:
    ended: list[bytes] = []

    async def handler(value: bytes) -> None:
        if value == b"0":
            current_delivery.get().step_aside()
            await asyncio.Event().wait()
        ended.append(value)

    await produce(kafka_url, topic, 5, partition=2)
    async with consuming(kafka_url, topic, handler, slots=1, drain_seconds=0.1):
        await until(lambda: len(ended) == 4, "those behind it end")
    assert (await committed(kafka_url, topic))[2] == 0


async def test_a_full_partition_does_not_starve_the_others(kafka_url: str, topic: str) -> None:
    order: list[bytes] = []
    gate = asyncio.Event()

    async def handler(value: bytes) -> None:
        order.append(value)
        await gate.wait()

    await produce(kafka_url, topic, 3000, partition=0)
    await produce(kafka_url, topic, 1, partition=3)
    async with consuming(kafka_url, topic, handler, slots=100):
        await until(lambda: len(order) == 88, "the slots fill, but for those reserved for other tenants")
        gate.set()
        await until(lambda: len(order) >= 300, "a few rounds")
        assert order[:300].count(b"0") == 2  # the first of partition 0 and the only one of partition 3


def a_record(tenant: str, number: int = 0, size: int = 0, **fields: object) -> bytes:
    job = {"tenant": tenant, "input_tokens": 100, "body": {}, "number": number, "filling": "x" * size}
    return orjson.dumps(job | fields)


async def publish(kafka_url: str, topic: str, *values: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka_url, acks="all") as producer:
        for value in values:
            await producer.send(topic, value, partition=1)


async def test_a_job_behind_a_flood_in_the_same_partition_does_not_wait_for_it(kafka_url: str, topic: str) -> None:
    seen: list[str] = []

    async def endless(value: bytes) -> None:
        seen.append(orjson.loads(value)["tenant"])
        await asyncio.Event().wait()

    flood = [a_record("hog", number) for number in range(5000)]
    await publish(kafka_url, topic, *flood, a_record("guest"))
    async with consuming(kafka_url, topic, endless, slots=40, drain_seconds=0) as subscriber:
        await until(lambda: "guest" in seen, "the guest's job runs")
        assert seen.count("hog") == 35
        assert len(subscriber.room) == 5000 - 35


async def test_what_memory_has_no_room_for_is_read_again_when_its_turn_comes(kafka_url: str, topic: str) -> None:
    records = [a_record("hog", number, 100_000) for number in range(120)]
    seen: list[bytes] = []

    async def quick(value: bytes) -> None:
        seen.append(value)
        await asyncio.sleep(0.01)

    await publish(kafka_url, topic, *records)
    async with consuming(kafka_url, topic, quick, slots=4) as subscriber:
        await until(lambda: len(seen) == 120 and not subscriber.running_jobs, "all end")
    assert sorted(seen) == sorted(records)
    assert (await committed(kafka_url, topic))[1] == 120


async def test_a_job_that_must_not_begin_yet_takes_no_slot_and_begins_in_time(kafka_url: str, topic: str) -> None:
    ran: dict[str, datetime] = {}

    async def note(value: bytes) -> None:
        ran[orjson.loads(value)["tenant"]] = datetime.now(UTC)

    async def lateness() -> float:
        ran.pop("later", None)
        due = datetime.now(UTC) + timedelta(seconds=1)
        await publish(kafka_url, topic, a_record("later", not_before=due.isoformat()))
        await until(lambda: "later" in ran, "it runs")
        assert ran["later"] >= due
        return (ran["later"] - due).total_seconds()

    tomorrow = datetime.now(UTC) + timedelta(days=1)
    await publish(kafka_url, topic, a_record("tomorrow", not_before=tomorrow.isoformat()), a_record("now"))
    async with consuming(kafka_url, topic, note, slots=1):
        await until(lambda: "now" in ran, "the job behind it runs")
        assert await soon(lateness, 0.5)
        assert "tomorrow" not in ran


async def test_a_deadline_that_passes_in_the_waiting_room_is_noticed_at_once(kafka_url: str, topic: str) -> None:
    ran: dict[int, datetime] = {}
    numbers = itertools.count(2)

    async def endless(value: bytes) -> None:
        ran[orjson.loads(value)["number"]] = datetime.now(UTC)
        await asyncio.Event().wait()

    async def lateness() -> float:
        number, deadline = next(numbers), datetime.now(UTC) + timedelta(seconds=1)
        await publish(kafka_url, topic, a_record("a", number, deadline=deadline.isoformat()))
        await until(lambda: number in ran, "it is delivered, to be ended")
        assert ran[number] >= deadline
        return (ran[number] - deadline).total_seconds()

    await publish(kafka_url, topic, a_record("a", 0), a_record("a", 1))
    async with consuming(kafka_url, topic, endless, slots=1, drain_seconds=0):
        await until(lambda: 0 in ran, "the slot is taken")
        assert await soon(lateness, 0.5)
        assert 1 not in ran


async def test_a_crashed_worker_repeats_no_more_than_what_it_ran(kafka_url: str, topic: str) -> None:
    """A process that dies commits nothing more: here its loops are cancelled without a goodbye."""
    ended: Counter[bytes] = Counter()
    running, most = 0, 0

    async def handler(value: bytes) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            await asyncio.sleep(0.05)
        finally:
            running -= 1
        ended[value] += 1

    await produce(kafka_url, topic, 200)
    async with consuming(kafka_url, topic, handler, slots=20, drain_seconds=0):
        await until(lambda: len(ended) >= 60, "some end")
    ran_at_death = most  # it goes on until it is cut off: at each moment it ran no more than this
    async with consuming(kafka_url, topic, handler, slots=20):
        await until(lambda: len(ended) == 200, "all end")
    assert set(ended) == {b"%d" % number for number in range(200)}
    assert sum(ended.values()) - 200 <= ran_at_death
