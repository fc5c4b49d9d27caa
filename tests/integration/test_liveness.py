"""Consumers that are stuck on the real broker are replaced; the jobs that run do not notice."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping

import pytest
from aiokafka import TopicPartition

from devstack.stack import Stack
from services.router_worker.consumption import commits
from services.router_worker.consumption.offset_ledger import Progress
from services.router_worker.consumption.register import GroupRegister
from services.router_worker.consumption.subscriber import WatermarkSubscriber
from services.router_worker.consumption.vigil import Patience
from tests.suites.consumption import PARTITIONS, Counted, NamedSeat, committed, consuming, new_topic, produce
from tests.suites.fleet import until

QUICK = Patience(every_seconds=0.1, dead_seconds=0.2)
HASTY = Patience(every_seconds=0.1, stuck_seconds=5)


@pytest.fixture
async def topic(kafka_url: str, fresh_name: Callable[[str], str]) -> str:
    return await new_topic(kafka_url, fresh_name("jobs"))


def kill_coordination(subscriber: WatermarkSubscriber) -> None:
    """As a defect in aiokafka would: what joins and stays in the group ends, and nobody is told."""
    assert subscriber.consumer is not None
    subscriber.consumer._coordinator._coordination_task.cancel()


@pytest.mark.parametrize("name", [None, "seat-0"])
async def test_a_dead_consumer_is_replaced_while_its_jobs_run_on(kafka_url: str, topic: str, name: str | None) -> None:
    started: Counter[bytes] = Counter()
    ended: Counter[bytes] = Counter()
    finish = asyncio.Event()

    async def handler(value: bytes) -> None:
        started[value] += 1
        await finish.wait()
        ended[value] += 1

    counted = Counted()
    await produce(kafka_url, topic, 8)
    async with consuming(
        kafka_url, topic, handler, seat=NamedSeat(name), measures=counted, patience=QUICK
    ) as subscriber:
        await until(lambda: len(started) == 8, "all run")
        former = subscriber.member_id
        kill_coordination(subscriber)
        await until(lambda: counted.rebuilds == 1 and subscriber.unsettled is None, "there is another consumer")
        assert subscriber.member_id != former
        await produce(kafka_url, topic, 16)
        await until(lambda: sum(started.values()) == 24, "it takes what is new")
        finish.set()
        await until(lambda: sum(ended.values()) == 24, "old and new ones end")
    assert started == Counter(b"%d" % number for number in [*range(8), *range(16)])
    assert sum((await committed(kafka_url, topic)).values()) == 24
    assert counted.rebuilds == 1


async def test_a_consumer_that_the_group_has_lost_is_replaced(kafka_url: str, topic: str) -> None:
    """It does not know: its heartbeats go to nobody."""
    ended: list[bytes] = []

    async def handler(value: bytes) -> None:
        ended.append(value)

    counted = Counted()
    shortest = {"session_timeout_ms": 6000}  # that a broker grants
    async with consuming(kafka_url, topic, handler, measures=counted, patience=HASTY, **shortest) as subscriber:
        await until(lambda: subscriber.unsettled is None, "it has joined")
        coordinator = subscriber.consumer._coordinator

        async def all_is_well() -> bool:
            return True

        coordinator._do_heartbeat = all_is_well
        await until(lambda: counted.rebuilds == 1 and subscriber.unsettled is None, "it is replaced", 60)
        await produce(kafka_url, topic, PARTITIONS)
        await until(lambda: len(ended) == PARTITIONS, "it works")


async def test_who_is_not_told_in_time_where_to_begin_asks_on_and_begins(
    kafka_url: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[bytes] = []
    tell, asked = GroupRegister.committed, 0

    async def handler(value: bytes) -> None:
        ended.append(value)

    async def tell_too_late_at_first(
        register: GroupRegister, partitions: set[TopicPartition]
    ) -> Mapping[TopicPartition, Progress]:
        nonlocal asked
        asked += 1
        if asked <= 2:
            await asyncio.sleep(600)
        return await tell(register, partitions)

    monkeypatch.setattr(commits, "_PATIENCE_SECONDS", 1)
    monkeypatch.setattr(GroupRegister, "committed", tell_too_late_at_first)
    counted = Counted()
    await produce(kafka_url, topic, 8)
    async with consuming(kafka_url, topic, handler, measures=counted):
        await until(lambda: len(ended) == 8, "it works", 40)
    assert (asked, counted.rebuilds) == (3, 0)


async def test_an_outage_of_kafka_is_waited_for(servers: Stack, topic: str) -> None:
    url, counted = servers.urls.kafka_url, Counted()
    ended: list[bytes] = []

    async def handler(value: bytes) -> None:
        ended.append(value)

    async with consuming(url, topic, handler, measures=counted, patience=HASTY) as subscriber:
        await until(lambda: subscriber.vigil.unanswered is None, "Kafka answers")
        await servers.kafka.stop()
        await until(lambda: subscriber.vigil.unanswered is not None, "it is noticed")
        assert (subscriber.vigil.stuck, subscriber.vigil.sign) == (None, None)
        await servers.kafka.start()
        await servers.kafka.ready()
        await until(lambda: subscriber.vigil.unanswered is None, "that it is back is noticed")
        await produce(url, topic, 10)
        await until(lambda: len(ended) == 10, "it goes on")
        assert subscriber.vigil.stuck is None


async def test_who_stops_while_kafka_is_away_stops_in_time(servers: Stack, topic: str) -> None:
    async def handler(value: bytes) -> None:
        await asyncio.Event().wait()

    await produce(servers.urls.kafka_url, topic, 4)
    try:
        async with asyncio.timeout(40):
            async with consuming(servers.urls.kafka_url, topic, handler, drain_seconds=0.1) as subscriber:
                await until(lambda: subscriber.running_jobs == 4, "jobs run")
                await servers.kafka.stop()
    finally:
        await servers.kafka.start()
        await servers.kafka.ready()
