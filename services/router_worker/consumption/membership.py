"""How does one consumer belong to its group? What aiokafka does not offer, in one place, held by a contract test.

Theory. A member with a name (`group_instance_id`) keeps its partitions while it is away, up to the session's end, and
aiokafka never sends a goodbye for it. When another process joins under the same name, Kafka replaces this member: its
next heartbeat is answered with UNKNOWN_MEMBER_ID, and aiokafka joins again, under that name, and so throws the other
out. Therefore a name that is not surely ours is forgotten before the next join. A member without a name says goodbye
when it stops, and may stay as it is until somebody takes its name.
"""

from typing import Any, Final

from aiokafka import AIOKafkaConsumer

from shared.groups import member_id_of
from shared.kafka import let_go

__all__ = ["Membership"]

_STOP_SECONDS: Final = 5.0


class Membership:
    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._forgotten_as: str | None = None

    @property
    def id(self) -> str:
        """As Kafka knows it; empty while it does not."""
        return member_id_of(self._consumer)

    @property
    def is_dead(self) -> bool:
        """Whether what joins and stays in the group has ended: this consumer never gets a record again."""
        return self._coordinator is not None and bool(self._coordinator._coordination_task.done())  # noqa: SLF001

    def check(self) -> None:
        """Raises the KafkaError that aiokafka keeps for the next poll; it does not go on before somebody took it.

        While no slot is free nobody polls.
        """
        if self._coordinator and not self.is_dead:
            self._coordinator.check_errors()

    async def end(self) -> None:
        """Stop the consumer, within a few seconds even when Kafka is away or the consumer is broken. Never raises."""
        if not await let_go(self._consumer.stop(), within_seconds=_STOP_SECONDS):
            await let_go(self._cut_off(), within_seconds=_STOP_SECONDS)

    def rename(self, name: str | None) -> None:
        """Forget the name, or go on under it if Kafka still knows this member by it."""
        coordinator = self._coordinator
        if coordinator is None:
            return
        if name is None and coordinator._group_instance_id is not None:  # noqa: SLF001 - there is no public way
            coordinator._group_instance_id, self._forgotten_as = None, self.id  # noqa: SLF001
        elif name is not None and self._forgotten_as == self.id:
            coordinator._group_instance_id, self._forgotten_as = name, None  # noqa: SLF001

    async def _cut_off(self) -> None:
        """End what an interrupted `stop` has left running."""
        if self._coordinator:
            await self._coordinator._stop_heartbeat_task()  # noqa: SLF001
            await self._coordinator._stop_commit_offsets_refresh_task()  # noqa: SLF001
        if self._consumer._fetcher:  # noqa: SLF001
            await self._consumer._fetcher.close()  # noqa: SLF001
        await self._consumer._client.close()  # noqa: SLF001

    @property
    def _coordinator(self) -> Any:  # noqa: ANN401 - aiokafka is untyped
        return self._consumer._coordinator  # noqa: SLF001
