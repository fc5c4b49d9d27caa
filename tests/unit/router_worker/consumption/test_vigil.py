"""Who helps a consumer that is stuck: nobody while Kafka is away, the process itself, and in the end a restart."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError

from services.router_worker.consumption import vigil
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


class Clock:
    """Stands still unless it is told to go on."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@asynccontextmanager
async def watching(consumer: Consumer) -> AsyncIterator[Vigil]:
    watch = Vigil(consumer, Counted(), "jobs", QUICK)
    running = asyncio.create_task(watch.run())
    yield watch
    running.cancel()
    await asyncio.wait([running])


async def looks(consumer: Consumer, more: int) -> None:
    enough = consumer.looks + more
    await until(lambda: consumer.looks >= enough, "it is looked at")


async def test_a_consumer_in_its_group_is_left_alone() -> None:
    consumer = Consumer()
    async with watching(consumer) as watch:
        await looks(consumer, 20)
        assert (consumer.rebuilds, watch.unanswered, watch.sign, watch.stuck) == (0, None, None, None)


async def test_one_that_left_its_group_unnoticed_is_built_anew_and_then_left_alone() -> None:
    def recover(consumer: Consumer) -> None:
        consumer.is_member = True

    consumer = Consumer(is_member=False, on_rebuild=recover)
    async with watching(consumer) as watch:
        await until(lambda: consumer.rebuilds == 1, "it is built anew")
        await looks(consumer, 20)
        assert (consumer.rebuilds, watch.sign) == (1, None)


async def test_while_kafka_is_away_nothing_is_built_anew_and_the_process_is_alive() -> None:
    consumer = Consumer(is_member=False, sign="odd", is_dead=True, away=KafkaConnectionError("gone"))
    async with watching(consumer) as watch:
        await looks(consumer, 30)
        assert consumer.rebuilds == 0
        assert watch.unanswered is not None
        assert "gone" in watch.unanswered
        assert watch.stuck is None


async def test_an_outage_begins_the_patience_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer, clock = Consumer(is_member=False), Clock()
    monkeypatch.setattr(vigil, "time", clock)
    async with watching(consumer):
        await looks(consumer, 3)
        clock.now += 0.04
        await looks(consumer, 3)
        consumer.away = KafkaConnectionError()
        await looks(consumer, 3)
        consumer.away = None
        await looks(consumer, 3)
        clock.now += 0.04
        await looks(consumer, 3)
        assert consumer.rebuilds == 0
        clock.now += 0.02
        await until(lambda: consumer.rebuilds == 1, "it is built anew")


async def test_only_after_several_rebuilds_in_vain_a_restart_is_asked_for() -> None:
    stuck: list[bool] = []
    consumer = Consumer(is_dead=True)
    async with watching(consumer) as watch:
        consumer.on_rebuild = lambda _: stuck.append(watch.stuck is not None)
        await until(lambda: len(stuck) >= 3, "three in vain")
    assert stuck[:3] == [False, False, True]


async def test_an_error_that_waits_to_be_noticed_is_noticed_and_forgotten() -> None:
    consumer = Consumer(error=KafkaError("authorization"))
    async with watching(consumer) as watch:
        await looks(consumer, 20)
        assert (consumer.error, consumer.rebuilds, watch.sign) == (None, 0, None)


async def test_a_rebuild_that_fails_is_tried_again() -> None:
    def fail_once(consumer: Consumer) -> None:
        if consumer.rebuilds == 1:
            raise KafkaConnectionError("not yet")
        consumer.is_dead = False

    consumer = Consumer(is_dead=True, on_rebuild=fail_once)
    async with watching(consumer) as watch:
        await until(lambda: consumer.rebuilds == 2, "a second try")
        await looks(consumer, 10)
        assert (consumer.rebuilds, watch.stuck) == (2, None)
