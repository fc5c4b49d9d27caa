"""Keeps the topic door's consumer in its group: one that is lost, and does not know it, is replaced."""

import asyncio
import time
from typing import Final, Never, Protocol

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from shared.groups import Suspicion, is_member
from shared.kafka import let_go

__all__ = ["Attendance", "Attending"]

log = structlog.get_logger()

_ANSWER_SECONDS: Final = 5.0


class Attending(Protocol):
    async def connect(self) -> None:
        """Afterwards there is a consumer in the group. Waits for Kafka."""
        ...

    async def disconnect(self) -> None:
        """Afterwards there is none, as far as it can be helped. Blocks for some seconds at most."""
        ...

    def member_id(self) -> str:
        """As Kafka knows the consumer; empty while it does not."""
        ...


class Attendance:
    def __init__(
        self, admin: AIOKafkaAdminClient, group: str, *, every_seconds: float = 5.0, patience_seconds: float = 60.0
    ) -> None:
        """No rebalance takes longer than one has patience."""
        self.group = group
        self._admin = admin
        self._every_seconds = every_seconds
        self._patience_seconds = patience_seconds

    async def keep(self, attending: Attending) -> Never:
        """Until cancelled."""
        try:
            while True:
                await attending.connect()
                await self._until_lost(attending)
                log.error("consumer_lost", group=self.group)
                await attending.disconnect()
        finally:
            await let_go(self._admin.close(), within_seconds=_ANSWER_SECONDS)

    async def _until_lost(self, attending: Attending) -> None:
        absence = Suspicion(self._patience_seconds)
        while True:
            await asyncio.sleep(self._every_seconds)
            if absence.look(await self._sign(attending.member_id()), time.monotonic()):
                return

    async def _sign(self, member: str) -> str | None:
        """While Kafka does not answer nobody knows."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._admin.start()
                return None if await is_member(self._admin, self.group, member) else "not in its group"
        except (KafkaError, OSError, TimeoutError) as error:
            log.debug("attendance_unknown", group=self.group, reason=repr(error))
            return None
