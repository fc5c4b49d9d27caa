"""The dead letters topic, read: once for what is open, again for the content of some. Content is never held in bulk."""

from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime

from cli.environment import Known
from cli.kafka import reading
from cli.letters.open_letters import Entry, OpenLetters, Place
from shared.contracts import DeadLetter

__all__ = ["contents", "open_letters"]


async def open_letters(kafka: Known, topic: str) -> OpenLetters:
    """As the topic stands now. Raises OperatorError."""
    found = OpenLetters()
    async with reading(kafka, [topic]) as opened:
        async for record in opened.records_so_far():
            place = Place(record.partition, record.offset)
            at = datetime.fromtimestamp(record.timestamp / 1000, UTC)
            found.take(place, record.key, record.value, record.headers, at)
    return found


async def contents(kafka: Known, topic: str, entries: Collection[Entry]) -> AsyncIterator[tuple[Entry, DeadLetter]]:
    """In the order of the topic. One that was removed meanwhile does not come. Raises OperatorError."""
    wanted = {entry.place: entry for entry in entries}
    if not wanted:
        return
    async with reading(kafka, [topic]) as opened:
        async for record in opened.records_so_far():
            entry = wanted.pop(Place(record.partition, record.offset), None)
            if entry is not None:
                yield entry, DeadLetter.model_validate_json(record.value)
            if not wanted:
                return
