"""How does one consumer belong to its group? What aiokafka does not offer, in one place, held by a contract test.

Theory. A member with a name (`group_instance_id`) keeps its partitions while it is away, up to the session's end, and
aiokafka never sends a goodbye for it. When another process joins under the same name, Kafka replaces this member: its
next heartbeat is answered with UNKNOWN_MEMBER_ID, and aiokafka joins again, under that name, and so throws the other
out. Therefore a name that is not surely ours is forgotten before the next join. A member without a name says goodbye
when it stops, and may stay as it is until somebody takes its name.
"""

from typing import Any

from aiokafka import AIOKafkaConsumer

__all__ = ["Membership"]


class Membership:
    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._forgotten_as: str | None = None

    @property
    def member_id(self) -> str:
        """As Kafka knows it; empty while it does not."""
        return str(self._coordinator.member_id) if self._coordinator else ""

    def check(self) -> None:
        """Raises the KafkaError that aiokafka keeps for the next poll; it does not go on before somebody took it."""
        if self._coordinator:
            self._coordinator.check_errors()

    def forget_name(self) -> None:
        if self._coordinator:
            self._coordinator._group_instance_id = None  # noqa: SLF001 - there is no public way
            self._forgotten_as = self.member_id

    def recall_name(self, name: str) -> None:
        """Go on under the name, if Kafka still knows this member by it."""
        if self._coordinator and self._forgotten_as == self.member_id:
            self._coordinator._group_instance_id = name  # noqa: SLF001
            self._forgotten_as = None

    @property
    def _coordinator(self) -> Any:  # noqa: ANN401 - aiokafka is untyped
        return self._consumer._coordinator  # noqa: SLF001
