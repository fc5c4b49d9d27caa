"""The subscription of this process, for its life: to its own channels, and to the one that announces refilled logs.

On one server all channels live in one place and share a connection. In a cluster those of each primary do, and a
primary that dies or hands slots over parts its channels from one another: each group that still lives together is
followed on from where it lives by then, and the others never notice.

Nobody but the task that reads it touches a connection: redis-py's PubSub breaks when one task subscribes while another
reconnects.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Final

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from services.ingress.adapters.follower import Cause
from services.ingress.adapters.followers import Followers
from services.ingress.adapters.reachability import Reachability, plain
from shared.backoff import Backoff
from shared.job_log import Keyspace
from shared.redis import Home, homes_of

__all__ = ["Listener"]

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
        raise _ConnectionLostError(plain(error)) from error


class Listener:
    def __init__(
        self,
        redis: Redis,
        keyspace: Keyspace,
        replica: str,
        followers: Followers,
        reachability: Reachability,
        on_directory_change: Callable[[], None],
        *,
        ping_seconds: float = 2.0,
    ) -> None:
        """The server is reachable while the whole subscription stands."""
        self._redis = redis
        self._channels = (*keyspace.ingress_channels(replica), keyspace.refollow_channel, keyspace.directory_channel)
        self._refollow = keyspace.refollow_channel.encode()
        self._directory = keyspace.directory_channel.encode()
        self._on_directory_change = on_directory_change
        self._followers = followers
        self._ping_seconds = ping_seconds
        self._reachability = reachability
        self._missing = set(self._channels)
        """Channels that are not heard."""

    async def run(self) -> None:
        """Listen until cancelled, through every outage."""
        await self._keep(self._channels)

    async def _keep(self, channels: Sequence[str]) -> None:
        failures = 0
        while True:
            try:
                with _as_lost():
                    homes = await homes_of(self._redis, channels)
                if len(homes) > 1:
                    await self._keep_apart(homes)
                await self._listen(homes[0])
            except _ConnectionLostError as error:
                failures = failures + 1 if self._missing.intersection(channels) else 1
                self._missing.update(channels)
                self._reachability.away(str(error))
            await asyncio.sleep(_PATIENCE.delay(failures, random.random()))  # noqa: S311 - jitter

    async def _keep_apart(self, homes: Sequence[Home]) -> None:
        async with asyncio.TaskGroup() as group:
            for home in homes:
                group.create_task(self._keep(home.channels))

    async def _listen(self, home: Home) -> None:
        """Until the connection is lost."""
        confirmed = 0
        async with self._subscription(home) as pubsub:
            while True:
                message = await self._next(pubsub)
                if message["type"] != "ssubscribe":
                    self._take(message)
                    continue
                # Also after redis-py has reconnected by itself: then there are more of them than channels.
                confirmed += 1
                if confirmed >= len(home.channels):
                    self._found(home.channels)

    @asynccontextmanager
    async def _subscription(self, home: Home) -> AsyncIterator[PubSub]:
        async with AsyncExitStack() as closing:
            with _as_lost():
                pubsub = await closing.enter_async_context(home.subscription())
            try:
                yield pubsub
            finally:
                with _as_lost():
                    await closing.aclose()

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
            case "smessage" if message["channel"] == self._refollow:
                self._followers.reread(message["data"], Cause.REFILL)
            case "smessage" if message["channel"] == self._directory:
                self._on_directory_change()
            case "smessage":
                self._followers.deliver(message["data"])
            case "sunsubscribe":
                raise _ConnectionLostError("a channel has moved to another node")
            case _:
                pass

    def _found(self, channels: Sequence[str]) -> None:
        """The first time and after every reconnect: whatever was published meanwhile is missed."""
        self._missing.difference_update(channels)
        if not self._missing:
            self._reachability.answers()
        self._followers.reread_all(Cause.RECONNECT)
        self._on_directory_change()
