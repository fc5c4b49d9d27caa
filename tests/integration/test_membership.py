"""Members with names on the real broker: who comes back finds everything as it was, and no two throw each other out."""

import asyncio
import time
from collections.abc import Callable

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services.router_worker.consumption.subscriber import WatermarkSubscriber
from services.router_worker.settings import OnStop
from tests.suites.consumption import PARTITIONS, Counted, NamedSeat, consuming, new_topic, produce
from tests.suites.fleet import until


@pytest.fixture
async def topic(kafka_url: str, fresh_name: Callable[[str], str]) -> str:
    return await new_topic(kafka_url, fresh_name("jobs"))


async def ignore(value: bytes) -> None:
    pass


def assigned(subscriber: WatermarkSubscriber) -> frozenset[TopicPartition]:
    """What it has, once it has understood it."""
    return subscriber.consumer.assignment() if subscriber.consumer and subscriber.unsettled is None else frozenset()


async def happens_not(event: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert not event()
        await asyncio.sleep(0.02)


async def test_who_comes_back_under_the_same_name_moves_nothing(kafka_url: str, topic: str) -> None:
    witness = Counted()
    ended: list[bytes] = []

    async def handler(value: bytes) -> None:
        ended.append(value)

    async with consuming(kafka_url, topic, ignore, seat=NamedSeat("seat-1"), measures=witness) as other:
        async with consuming(kafka_url, topic, ignore, seat=NamedSeat("seat-0"), on_stop=OnStop.STAY) as former:
            await until(lambda: len(assigned(former)) == len(assigned(other)) == PARTITIONS // 2, "both have a half")
            had, deals = assigned(former), witness.rebalances
        async with consuming(kafka_url, topic, handler, seat=NamedSeat("seat-0")) as successor:
            await until(lambda: assigned(successor) == had, "it has the same partitions")
            await produce(kafka_url, topic, 8)
            await until(lambda: len(ended) == 4, "the successor works on its half")
            assert witness.rebalances == deals


async def test_who_goes_for_good_says_goodbye_although_it_had_a_name(kafka_url: str, topic: str) -> None:
    async with consuming(kafka_url, topic, ignore, seat=NamedSeat("seat-1"), session_timeout_ms=120_000) as other:
        async with consuming(kafka_url, topic, ignore, seat=NamedSeat("seat-0"), session_timeout_ms=120_000) as leaving:
            await until(lambda: len(assigned(leaving)) == len(assigned(other)) == PARTITIONS // 2, "both have a half")
        await until(lambda: len(assigned(other)) == PARTITIONS, "the other has all, long before the session ends")


async def test_who_has_lost_its_name_lets_the_new_holder_have_it(kafka_url: str, topic: str) -> None:
    seat, witness = NamedSeat("seat-0"), Counted()
    async with consuming(kafka_url, topic, ignore, seat=seat, measures=witness) as former:
        seat.name = None
        async with consuming(kafka_url, topic, ignore, seat=NamedSeat("seat-0")) as holder:
            await until(lambda: len(assigned(former)) == len(assigned(holder)) == PARTITIONS // 2, "both have a half")
            deals = witness.rebalances
            # Five heartbeats: in a duel each of them would deal the partitions anew.
            await happens_not(lambda: witness.rebalances > deals, seconds=1.5)


async def test_a_name_that_was_only_unsure_is_used_again(kafka_url: str, topic: str) -> None:
    """After an outage of Redis a restart moves nothing, as before it."""
    witness = Counted()
    async with consuming(kafka_url, topic, ignore, seat=NamedSeat("seat-1"), measures=witness) as other:
        async with consuming(kafka_url, topic, ignore, seat=NamedSeat("seat-0"), on_stop=OnStop.STAY) as former:
            await until(lambda: len(assigned(former)) == len(assigned(other)) == PARTITIONS // 2, "both have a half")
            had, deals = assigned(former), witness.rebalances
            former.rename(None)
            former.rename("seat-0")
        async with consuming(kafka_url, topic, ignore, seat=NamedSeat("seat-0")) as successor:
            await until(lambda: assigned(successor) == had, "it has the same partitions")
            assert witness.rebalances == deals


async def test_the_member_id_is_the_one_that_the_broker_knows(kafka_url: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url)
    await admin.start()
    async with consuming(kafka_url, topic, ignore, seat=NamedSeat("seat-0")) as subscriber:
        (answer,) = await admin.describe_consumer_groups([f"{topic}.group"])
        ((_, _, _, _, _, members),) = [group[:6] for group in answer.groups]
        assert [member[0] for member in members] == [subscriber.member_id]
    await admin.close()
