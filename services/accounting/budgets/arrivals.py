"""Is everything that Kafka has of jobs in the ledger? Asked before anything is concluded from what is not in it."""

from collections.abc import Awaitable, Callable, Mapping

from services.accounting.ports import Place, Reach

__all__ = ["Arrivals"]


class Arrivals:
    def __init__(
        self,
        reach: Callable[[], Awaitable[Mapping[Place, Reach]]],
        recorded: Callable[[], Awaitable[Mapping[Place, int]]],
    ) -> None:
        """`reach` is of every partition, whoever has it; `recorded` says up to where each is in the database."""
        self._reach = reach
        self._recorded = recorded

    async def complete(self) -> bool:
        """Whether what Kafka had when this was called is recorded. Raises AwayError."""
        reach = await self._reach()
        recorded = await self._recorded()
        return all(max(recorded.get(place, 0), found.first) >= found.next for place, found in reach.items())
