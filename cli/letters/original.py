"""What was the record? A letter has its bytes; what it could not carry is read from where the record was.

That is a value too large for a letter, and a header that is no text.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from cli.environment import Known
from cli.kafka import new_admin, new_consumer, told
from shared.contracts import DeadLetter
from shared.errors import OperatorError
from shared.topic_reading import partitions_of, spans_of

__all__ = ["Original", "original"]

_NO_TEXT: Final = "\ufffd"
"""Stands in a letter's header for bytes that were no UTF-8."""
_READ_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Original:
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes]]


async def original(kafka: Known, letter: DeadLetter) -> Original:
    """Raises OperatorError when the value is neither in the letter nor on its topic any more."""
    carried = Original(letter.key, letter.value, [(name, text.encode()) for name, text in letter.headers])
    if not letter.lacks_value and not any(_NO_TEXT in text for _, text in letter.headers):
        return carried
    found = await _from_its_topic(kafka, TopicPartition(letter.topic, letter.partition), letter.offset)
    if found is None and letter.lacks_value:
        raise OperatorError(f"{letter.origin} was too large for a letter, and its topic keeps it no longer.")
    return found or carried


async def _from_its_topic(kafka: Known, place: TopicPartition, offset: int) -> Original | None:
    with told(kafka):
        async with new_admin(kafka) as admin:
            if place.partition >= (await partitions_of(admin, [place.topic])).get(place.topic, 0):
                return None
        async with new_consumer(kafka) as consumer:
            consumer.assign([place])
            span = (await spans_of(consumer, [place]))[place]
            if not span.first <= offset < span.next:
                return None
            consumer.seek(place, offset)
            try:
                async with asyncio.timeout(_READ_SECONDS):
                    record = await consumer.getone()
            except (OffsetOutOfRangeError, TimeoutError):
                return None
    if record.offset != offset:
        return None
    return Original(record.key, record.value or b"", [(name, value or b"") for name, value in record.headers])
