"""How far everything is recorded is told to Kafka until it has understood."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import cast

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import RequestTimedOutError

from services.accounting.consumption import commits as module
from services.accounting.consumption.commits import Commits
from services.accounting.ports import Place
from shared.backoff import Backoff

FIRST, SECOND = Place("usage", 0), Place("usage", 1)


@dataclass
class Kafka:
    refuses: int = 0
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    assigned: set[TopicPartition] = field(default_factory=lambda: {TopicPartition(*FIRST), TopicPartition(*SECOND)})
    asked: list[dict[Place, int]] = field(default_factory=list)

    def assignment(self) -> set[TopicPartition]:
        return self.assigned

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.asked.append({Place(*partition): offset for partition, offset in offsets.items()})
        await self.answers.wait()
        if self.refuses:
            self.refuses -= 1
            raise RequestTimedOutError


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    monkeypatch.setattr(module, "_AGAIN", Backoff(0.01, 0.01))
    return Kafka()


@pytest.fixture
async def commits(kafka: Kafka) -> AsyncIterator[Commits]:
    commits = Commits("usage", lambda: cast("AIOKafkaConsumer", kafka))
    yield commits
    await commits.close(0)


async def asked(kafka: Kafka, times: int) -> None:
    async with asyncio.timeout(10):
        while len(kafka.asked) < times:
            await asyncio.sleep(0)


async def test_a_commit_that_kafka_refuses_is_repeated_though_nothing_more_comes(
    commits: Commits, kafka: Kafka
) -> None:
    kafka.refuses = 2
    kafka.answers.set()
    commits.tell({FIRST: 5})
    await asked(kafka, 3)
    await commits.close(10)
    assert kafka.asked == [{FIRST: 5}] * 3


async def test_what_is_recorded_meanwhile_goes_with_the_repetition(commits: Commits, kafka: Kafka) -> None:
    kafka.refuses = 1
    commits.tell({FIRST: 5, SECOND: 1})
    await asked(kafka, 1)
    commits.tell({FIRST: 9})
    kafka.answers.set()
    await commits.close(10)
    assert kafka.asked == [{FIRST: 5, SECOND: 1}, {FIRST: 9, SECOND: 1}]


async def test_what_another_consumer_has_by_now_is_not_told(commits: Commits, kafka: Kafka) -> None:
    kafka.refuses = 1
    commits.tell({FIRST: 5, SECOND: 1})
    await asked(kafka, 1)
    kafka.assigned.discard(TopicPartition(*SECOND))
    kafka.answers.set()
    await commits.close(10)
    assert kafka.asked[1:] == [{FIRST: 5}]


async def test_whoever_ends_waits_only_so_long_for_a_kafka_that_does_not_answer(commits: Commits, kafka: Kafka) -> None:
    commits.tell({FIRST: 5})
    await asked(kafka, 1)
    async with asyncio.timeout(10):
        await commits.close(0.01)
