"""How far does the broker say that a group has come? Asked several times a second, as long as the run lasts."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from chaos.bench.stand import NAMESPACE
from chaos.facts import Commit
from shared.contracts import Lane
from shared.topics import JOBS, RESULTS, SUBMIT, USAGE, Topic

__all__ = ["Offsets", "watching_offsets"]

_LOOK_SECONDS: Final = 0.2
_ANSWER_SECONDS: Final = 5.0

_LANES: Final = {f"{NAMESPACE}.workers.{lane}": (JOBS[lane],) for lane in Lane}
_GROUPS: Final[Mapping[str, Sequence[Topic]]] = {
    **_LANES,
    f"{NAMESPACE}.submissions": (SUBMIT,),
    f"{NAMESPACE}.accounting.usage": (USAGE,),
    f"{NAMESPACE}.accounting.results": (RESULTS,),
    f"{NAMESPACE}.accounting.jobs": tuple(JOBS.values()),
}
_PROBLEMS: Final = (KafkaError, OSError, TimeoutError)


@dataclass(slots=True)
class Offsets:
    kafka_url: str
    admin: AIOKafkaAdminClient
    looks: int = 0
    commits: list[Commit] = field(default_factory=list)
    _last: dict[tuple[str, int], tuple[int, str]] = field(default_factory=dict)

    async def watch(self) -> None:
        """Until cancelled. While the broker is away there is nothing to see."""
        while True:
            for group in _LANES:
                try:
                    async with asyncio.timeout(_ANSWER_SECONDS):
                        await self._look(group)
                except _PROBLEMS:
                    await asyncio.sleep(_LOOK_SECONDS)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self, group: str) -> None:
        asked_at = time.time()
        found: Mapping[TopicPartition, Any] = await self.admin.list_consumer_group_offsets(group)
        answered_at = time.time()
        self.looks += 1
        for place, at in found.items():
            seen = (at.offset, at.metadata or "")
            if at.offset < 0 or self._last.get(place) == seen:
                continue
            self._last[place] = seen
            above = _finished_above(at.offset, at.metadata or "")
            self.commits.append(Commit(asked_at, answered_at, place.topic, place.partition, at.offset, above))

    async def behind(self) -> Mapping[str, int] | None:
        """How many records of each group's topics it has not committed; None while the broker is away."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await self._behind()
        except _PROBLEMS:
            return None

    async def _behind(self) -> Mapping[str, int]:
        waiting: dict[str, int] = {}
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka_url)
        await consumer.start()
        try:
            for group, topics in _GROUPS.items():
                committed = await self.admin.list_consumer_group_offsets(group)
                places = [TopicPartition(topic.name, part) for topic in topics for part in range(topic.partitions)]
                ends = await consumer.end_offsets(places)
                for place, end in ends.items():
                    at = committed.get(place)
                    left = end - (at.offset if at is not None and at.offset >= 0 else 0)
                    if left > 0:
                        waiting[f"{group} {place.topic}/{place.partition}"] = left
        finally:
            await consumer.stop()
        return waiting


def _finished_above(offset: int, metadata: str) -> frozenset[int]:
    """The bitmap of finished offsets that a worker's commit carries: base 85, lowest bit first."""
    try:
        bits = int.from_bytes(base64.b85decode(metadata.removesuffix(".")), "little")
    except ValueError:
        return frozenset()
    return frozenset(offset + place for place in range(bits.bit_length()) if bits >> place & 1)


@asynccontextmanager
async def watching_offsets(kafka_url: str) -> AsyncIterator[Offsets]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_url, request_timeout_ms=int(_ANSWER_SECONDS * 1000))
    await admin.start()
    offsets = Offsets(kafka_url, admin)
    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(offsets.watch(), name="offsets")
            try:
                yield offsets
            finally:
                watching.cancel()
    finally:
        await admin.close()
