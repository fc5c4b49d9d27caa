"""Is a consumer really in its group? Kafka's coordinator is asked, not the client: one that is stuck believes it is.

aiokafka tells nobody when its coordination has died (aiokafka #1154): the consumer is alive, polls, and gets nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code

__all__ = ["Suspicion", "is_member", "member_id_of"]

_GROUP_ID_NOT_FOUND: Final = 69


def member_id_of(consumer: AIOKafkaConsumer) -> str:
    """As Kafka knows it; empty while it does not."""
    coordinator: Any = consumer._coordinator  # noqa: SLF001 - there is no public way
    return str(coordinator.member_id) if coordinator is not None else ""


async def is_member(admin: AIOKafkaAdminClient, group: str, member: str) -> bool:
    """Blocks for two round trips. Raises KafkaError when nobody can tell."""
    (answer,) = await admin.describe_consumer_groups([group])
    (described,) = answer.to_object()["groups"]
    code = described["error_code"]
    if code and code != _GROUP_ID_NOT_FOUND:
        raise for_code(code)(f"group {group}")
    members: list[Mapping[str, str]] = described["members"]
    return any(each["member_id"] == member for each in members)


@dataclass(slots=True)
class Suspicion:
    """For how long has something been wrong, look after look? Pure: `now` is any clock that does not go back."""

    patience_seconds: float
    sign: str | None = None
    """What is wrong; it may still pass."""
    _since: float = 0.0

    def look(self, sign: str | None, now: float) -> bool:
        """Whether it has been wrong for longer than one has patience. No sign, and the patience begins anew."""
        if sign is not None and self.sign is None:
            self._since = now
        self.sign = sign
        return sign is not None and now - self._since >= self.patience_seconds
