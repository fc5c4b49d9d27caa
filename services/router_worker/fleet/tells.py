"""Hears what this worker is told (`cancel <job id>`), and looks up after each reconnect what it may have missed."""

import asyncio

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.router_worker.ports import Claims, Unreachable
from services.router_worker.running import RunningJobs
from shared.ids import JobId
from shared.job_log import Keyspace
from shared.redis import homes_of

__all__ = ["Tells"]

log = structlog.get_logger("fleet")

_RETRY_SECONDS = 0.2


class Tells:
    def __init__(self, redis: Redis, keyspace: Keyspace, worker: str, running: RunningJobs, claims: Claims) -> None:
        self._redis = redis
        self._channel = keyspace.worker_channel(worker)
        self._running = running
        self._claims = claims

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen()
            except (RedisError, OSError, Unreachable, AttributeError, RuntimeError) as error:
                # redis-py raises bare AttributeError and RuntimeError when a pub/sub connection dies at a bad moment
                log.warning("tells_interrupted", reason=repr(error))
                await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self) -> None:
        (home,) = await homes_of(self._redis, [self._channel])
        async with home.subscription() as pubsub:
            async for message in pubsub.listen():
                match message["type"]:
                    case "ssubscribe":  # also after redis-py has reconnected by itself
                        await self._look_for_cancels()
                    case "smessage":
                        self._hear(message["data"])
                    case "sunsubscribe":  # it lives on another node of the cluster now
                        return

    def _hear(self, told: bytes) -> None:
        verb, _, job = told.decode().partition(" ")
        if verb == "cancel":
            self._running.cancel(JobId(job))

    async def _look_for_cancels(self) -> None:
        jobs = self._running.ids()
        for job, look in zip(jobs, await self._claims.look(jobs) if jobs else [], strict=True):
            if look.cancelled:
                self._running.cancel(job)
