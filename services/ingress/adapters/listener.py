"""The one subscription of this process, for its life: to its own channel, and to the one that announces refilled logs.

Nobody but `run` touches the connection: redis-py's PubSub breaks when one task subscribes while another reconnects.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from services.ingress.adapters.follower import Cause
from services.ingress.adapters.followers import Followers
from shared.backoff import Backoff
from shared.job_log import Keyspace

__all__ = ["Listener"]

log = structlog.get_logger()

_PATIENCE: Final = Backoff(base_seconds=0.05, cap_seconds=1.0)
_BROKEN: Final = (RedisError, OSError, AttributeError, RuntimeError)
"""The last two are what redis-py and uvloop raise when a connection dies under them (facts of redis-py 8)."""


class _ConnectionLostError(Exception):
    pass


@contextmanager
def _as_lost() -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise _ConnectionLostError(repr(error)) from error


class Listener:
    def __init__(
        self, redis: Redis, keyspace: Keyspace, replica: str, followers: Followers, *, ping_seconds: float = 2.0
    ) -> None:
        self._redis = redis
        self._channels = (keyspace.ingress_channel(replica), keyspace.refollow_channel)
        self._refollow = keyspace.refollow_channel.encode()
        self._followers = followers
        self._ping_seconds = ping_seconds
        self.problem: str | None = "not connected yet"
        """None while the subscription stands."""

    async def run(self) -> None:
        """Listen until cancelled, through every outage."""
        failures = 0
        while True:
            try:
                async with self._subscription() as pubsub:
                    while True:
                        self._take(await self._next(pubsub))
                        failures = 0
            except _ConnectionLostError as error:
                failures += 1
                self.problem = str(error)
                if failures == 1:
                    log.warning("job_log_connection_lost", reason=self.problem)
            await asyncio.sleep(_PATIENCE.delay(failures, random.random()))  # noqa: S311 - jitter

    @asynccontextmanager
    async def _subscription(self) -> AsyncIterator[PubSub]:
        pubsub = self._redis.pubsub()
        try:
            with _as_lost():
                await pubsub.subscribe(*self._channels)
            yield pubsub
        finally:
            with _as_lost():
                await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _next(self, pubsub: PubSub) -> dict[str, Any]:
        """The next message; a connection that does not even answer a ping is lost."""
        silent_since = time.monotonic()
        while True:
            with _as_lost():
                message: dict[str, Any] | None = await pubsub.get_message(timeout=self._ping_seconds)
                if message is not None:
                    return message
                silence = time.monotonic() - silent_since
                if silence > self._ping_seconds * 2.5:
                    raise RedisConnectionError(f"nothing heard for {silence:.1f} s")
                await pubsub.ping()

    def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "message" if message["channel"] == self._refollow:
                self._followers.reread(message["data"], Cause.REFILL)
            case "message":
                self._followers.deliver(message["data"])
            case "subscribe" if message["data"] == len(self._channels):
                # The first time and after every reconnect: whatever was published meanwhile is missed.
                self._found()
                self._followers.reread_all(Cause.RECONNECT)
            case _:
                pass

    def _found(self) -> None:
        if self.problem is not None:
            log.info("job_log_connected", channel=self._channels[0])
        self.problem = None
