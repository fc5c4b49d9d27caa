"""Many decisions, some at once, each told as it falls; one that fails stops no other."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from cli.environment import Known
from cli.letters.deciding import Desk, open_desk
from cli.letters.open_letters import Entry
from cli.letters.topic import contents
from shared.contracts import DeadLetter
from shared.errors import OperatorError

__all__ = ["Outcome", "drop_all", "replay_all"]

_AT_ONCE: Final = 50
"""Their contents are held in memory: a megabyte each, at most."""


@dataclass(frozen=True, slots=True)
class Outcome:
    entry: Entry
    record: str | None = None
    """Where a replayed one is now."""
    trouble: str | None = None


async def replay_all(kafka: Known, topic: str, entries: Collection[Entry], told: Callable[[Outcome], None]) -> None:
    """In the order in which they were set aside. Raises OperatorError when Kafka cannot be reached at all."""
    waiting: list[tuple[Entry, DeadLetter]] = []
    async with open_desk(kafka, topic) as desk:
        async for letter in contents(kafka, topic, entries):
            waiting.append(letter)
            if len(waiting) == _AT_ONCE:
                await _round([_replayed(desk, *each) for each in waiting], told)
                waiting = []
        await _round([_replayed(desk, *each) for each in waiting], told)


async def drop_all(kafka: Known, topic: str, entries: Sequence[Entry], told: Callable[[Outcome], None]) -> None:
    """As `replay_all`."""
    async with open_desk(kafka, topic) as desk:
        for at in range(0, len(entries), _AT_ONCE):
            await _round([_dropped(desk, entry) for entry in entries[at : at + _AT_ONCE]], told)


async def _round(decisions: Sequence[Awaitable[Outcome]], told: Callable[[Outcome], None]) -> None:
    for outcome in await asyncio.gather(*decisions):
        told(outcome)


async def _replayed(desk: Desk, entry: Entry, letter: DeadLetter) -> Outcome:
    try:
        return Outcome(entry, record=await desk.replay(entry, letter))
    except OperatorError as error:
        return Outcome(entry, trouble=str(error))


async def _dropped(desk: Desk, entry: Entry) -> Outcome:
    try:
        await desk.drop(entry)
    except OperatorError as error:
        return Outcome(entry, trouble=str(error))
    return Outcome(entry)
