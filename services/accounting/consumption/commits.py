"""Tell Kafka up to where everything is recorded, until it has understood.

What is recorded goes on meanwhile: a commit that Kafka refuses is repeated with what was recorded since. What is never
told costs a replay at the next start, and a replay changes nothing; but it shows as a lag that is none.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from services.accounting.ports import Consumed
from shared.backoff import Backoff

__all__ = ["Commits", "ended"]

log = structlog.get_logger("accounting")

_COMMIT_SECONDS: Final = 10
_AGAIN: Final = Backoff(base_seconds=0.5, cap_seconds=10)


class Commits:
    def __init__(self, group: str, consumer: Callable[[], AIOKafkaConsumer]) -> None:
        self._group = group
        self._consumer = consumer
        self._untold: dict[TopicPartition, int] = {}
        self._telling: asyncio.Task[None] | None = None

    def tell(self, consumed: Consumed) -> None:
        """Returns at once."""
        self._untold |= {TopicPartition(place.topic, place.partition): offset for place, offset in consumed.items()}
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell(), name=f"commit {self._group}")

    async def close(self, within_seconds: float) -> None:
        await ended(self._telling, within_seconds)

    async def _tell(self) -> None:
        failures = 0
        while offsets := self._take_untold():
            if await self._committed(offsets):
                failures = 0
                continue
            self._untold = {**offsets, **self._untold}
            failures += 1
            await asyncio.sleep(_AGAIN.delay(failures, random.random()))  # noqa: S311 - guards nothing

    def _take_untold(self) -> Mapping[TopicPartition, int]:
        """What another consumer has by now is dropped: that one records it again, and Kafka listens to it alone."""
        ours = self._consumer().assignment()
        untold, self._untold = self._untold, {}
        return {partition: offset for partition, offset in untold.items() if partition in ours}

    async def _committed(self, offsets: Mapping[TopicPartition, int]) -> bool:
        try:
            async with asyncio.timeout(_COMMIT_SECONDS):
                await self._consumer().commit(dict(offsets))
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            log.info("offsets_not_committed", reason=repr(error))
            return False
        return True


async def ended(task: asyncio.Task[None] | None, within_seconds: float) -> None:
    """Returns when the task has ended, by itself within that time or because it was told to."""
    if task is not None:
        await asyncio.wait({task}, timeout=within_seconds)
        task.cancel()
        await asyncio.wait({task})
