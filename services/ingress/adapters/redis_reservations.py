"""The reservations of `ports.Reservations` in Redis: one key each, set once, for neither key nor tenant to be read."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import cast

from redis.asyncio import Redis

from services.ingress.adapters.redis_log import as_unavailable
from services.ingress.admission import Departure
from services.ingress.ports import Reservation
from shared.clock import Clock
from shared.ids import JobId
from shared.job_log import Keyspace

__all__ = ["RedisReservations"]


class RedisReservations:
    def __init__(self, redis: Redis, keyspace: Keyspace, *, kept: timedelta, clock: Clock) -> None:
        """`kept` is how long after a job's deadline its key still stands for it."""
        self._redis = redis
        self._keyspace = keyspace
        self.kept = kept
        self._clock = clock

    async def recall(self, tenant: str, key: str) -> Reservation | None:
        with as_unavailable():
            stored = cast("bytes | None", await self._redis.get(self._name(tenant, key)))
        return _read(stored) if stored is not None else None

    async def reserve(self, tenant: str, key: str, reservation: Reservation, *, until: datetime) -> Reservation:
        life = max(until - self._clock(), timedelta()) + self.kept
        with as_unavailable():
            # Repeated after a lost reply it finds its own, which is as good.
            found = await self._redis.set(self._name(tenant, key), _written(reservation), nx=True, get=True, px=life)
        stored = cast("bytes | None", found)
        return _read(stored) if stored is not None else reservation

    def _name(self, tenant: str, key: str) -> str:
        return self._keyspace.repeat(hashlib.sha256(f"{tenant}\x1f{key}".encode()).hexdigest())


def _written(reservation: Reservation) -> str:
    made_ms = round(reservation.made_at.timestamp() * 1000)
    return f"{reservation.job} {reservation.fingerprint} {made_ms} {reservation.on_disconnect}"


def _read(stored: bytes) -> Reservation:
    job, fingerprint, made_ms, on_disconnect = stored.decode().split(" ")
    made_at = datetime.fromtimestamp(int(made_ms) / 1000, UTC)
    return Reservation(JobId(job), fingerprint, made_at, Departure(on_disconnect))
