"""Who helps a consumer that is stuck: nobody while Kafka is away, the process itself, and in the end a restart."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka.errors import KafkaConnectionError, KafkaError

from services.router_worker.consumption.vigil import Patience, Vigil
from tests.suites.consumption import Counted
from tests.suites.fleet import until

QUICK = Patience(every_seconds=0.005, stuck_seconds=0.05, dead_seconds=0.02, rebuild_seconds=1)


@dataclass
class Consumer:
    """The port `Watched`."""

    is_member: bool = True
    is_dead: bool = False
    sign: str | None = None
    error: KafkaError | None = None
    away: KafkaError | None = None
    on_rebuild: Callable[["Consumer"], None] = lambda consumer: None
    looks: int = 0
    rebuilds: int = 0

    async def ask(self) -> bool:
        self.looks += 1
        if self.away:
            raise self.away
        return self.is_member

    def ailment(self) -> str | None:
        if self.error:
            error, self.error = self.error, None
            raise error
        return self.sign

    async def rebuild(self) -> None:
        self.rebuilds += 1
        self.on_rebuild(self)


@asynccontextmanager
async def watching(consumer: Consumer) -> AsyncIterator[Vigil]:
    vigil = Vigil(consumer, Counted(), "jobs", QUICK)
    running = asyncio.create_task(vigil.run())
    yield vigil
    running.cancel()
    await asyncio.wait([running])


async def looks(consumer: Consumer, more: int) -> None:
    enough = consumer.looks + more
    await until(lambda: consumer.looks >= enough, "it is looked at", 5)


async def test_a_consumer_in_its_group_is_left_alone() -> None:
    consumer = Consumer()
    async with watching(consumer) as vigil:
        await looks(consumer, 20)
        assert (consumer.rebuilds, vigil.unanswered, vigil.sign, vigil.stuck) == (0, None, None, None)


async def test_one_that_left_its_group_unnoticed_is_built_anew_and_then_left_alone() -> None:
    def recover(consumer: Consumer) -> None:
        consumer.is_member = True

    consumer = Consumer(is_member=False, on_rebuild=recover)
    async with watching(consumer) as vigil:
        await until(lambda: consumer.rebuilds == 1, "it is built anew", 5)
        await looks(consumer, 20)
        assert (consumer.rebuilds, vigil.sign) == (1, None)


async def test_while_kafka_is_away_nothing_is_built_anew_and_the_process_is_alive() -> None:
    consumer = Consumer(is_member=False, sign="odd", is_dead=True, away=KafkaConnectionError("gone"))
    async with watching(consumer) as vigil:
        await looks(consumer, 30)
        assert consumer.rebuilds == 0
        assert vigil.unanswered is not None
        assert "gone" in vigil.unanswered
        assert vigil.stuck is None


async def test_an_outage_begins_the_patience_anew() -> None:
    consumer = Consumer(is_member=False)
    async with watching(consumer):
        await looks(consumer, 3)
        consumer.away = KafkaConnectionError()
        await looks(consumer, 30)
        consumer.away, consumer.is_member = None, True
        await looks(consumer, 20)
        assert consumer.rebuilds == 0


async def test_only_after_several_rebuilds_in_vain_a_restart_is_asked_for() -> None:
    consumer = Consumer(is_dead=True)
    async with watching(consumer) as vigil:
        await until(lambda: consumer.rebuilds == 2, "two in vain", 5)
        assert vigil.stuck is None
        await until(lambda: vigil.stuck is not None, "three in vain", 5)


async def test_an_error_that_waits_to_be_noticed_is_noticed_and_forgotten() -> None:
    consumer = Consumer(error=KafkaError("authorization"))
    async with watching(consumer) as vigil:
        await looks(consumer, 20)
        assert (consumer.error, consumer.rebuilds, vigil.sign) == (None, 0, None)


async def test_a_rebuild_that_fails_is_tried_again() -> None:
    def fail_once(consumer: Consumer) -> None:
        if consumer.rebuilds == 1:
            raise KafkaConnectionError("not yet")
        consumer.is_dead = False

    consumer = Consumer(is_dead=True, on_rebuild=fail_once)
    async with watching(consumer) as vigil:
        await until(lambda: consumer.rebuilds == 2, "a second try", 5)
        await looks(consumer, 10)
        assert (consumer.rebuilds, vigil.stuck) == (2, None)
