"""Reads what the workers show of themselves and of their deployments. Those live whose field goes on changing."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, cast

from pydantic import ValidationError
from redis.asyncio import Redis

from services.ingress.adapters.redis_log import as_unavailable
from services.ingress.ports import UnavailableError
from shared.job_log import Keyspace
from shared.load import SHOWN_SECONDS, WorkerLoad

__all__ = ["RedisLoads"]

_LIVES_SECONDS: Final = 5 * SHOWN_SECONDS
_FORGOTTEN_SECONDS: Final = 60 * SHOWN_SECONDS


@dataclass(frozen=True, slots=True)
class _Shown:
    raw: bytes
    load: WorkerLoad | None
    """None when this version cannot read it."""
    since: float


class Hearer(Protocol):
    """Nothing blocks, nothing raises."""

    def told(self, workers: Collection[WorkerLoad]) -> None: ...

    def unknown(self) -> None:
        """Nobody can tell."""
        ...


class RedisLoads:
    def __init__(
        self, redis: Redis, keyspace: Keyspace, *hearers: Hearer, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._redis = redis
        self._key = keyspace.loads
        self._hearers = hearers
        self._clock = clock
        self._shown: dict[bytes, _Shown] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(SHOWN_SECONDS)

    async def look(self) -> None:
        try:
            with as_unavailable():
                fields = cast("Mapping[bytes, bytes]", await self._redis.hgetall(self._key))
                self._keep(fields)
                if silent := self._silent_for(_FORGOTTEN_SECONDS):
                    await self._redis.hdel(self._key, *silent)
        except UnavailableError:
            for hearer in self._hearers:
                hearer.unknown()
            return
        dead = self._silent_for(_LIVES_SECONDS)
        living = [shown.load for worker, shown in self._shown.items() if shown.load and worker not in dead]
        for hearer in self._hearers:
            hearer.told(living)

    def _keep(self, fields: Mapping[bytes, bytes]) -> None:
        now = self._clock()
        shown = {}
        for worker, raw in fields.items():
            before = self._shown.get(worker)
            shown[worker] = before if before is not None and before.raw == raw else _Shown(raw, _read(raw), now)
        self._shown = shown

    def _silent_for(self, seconds: float) -> set[bytes]:
        now = self._clock()
        return {worker for worker, shown in self._shown.items() if now - shown.since > seconds}


def _read(raw: bytes) -> WorkerLoad | None:
    try:
        return WorkerLoad.model_validate_json(raw)
    except ValidationError:
        return None
