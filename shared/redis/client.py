"""The client for whatever REDIS_URL names. A script, a pipeline without a transaction or a command of one key works
alike on all of them, and Sluice uses nothing else; so a cluster's client goes by the name of the ordinary one, too.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import ConstantBackoff, NoBackoff

from shared.redis.address import Kind, RedisAddress, parse_address
from shared.redis.cluster import ScriptedCluster
from shared.redis.packing import packing
from shared.redis.scripted import ScriptedRedis

__all__ = ["Home", "homes_of", "is_clustered", "redis_client"]

_CONNECTIONS: Final = 32


def redis_client(url: str, *, call_seconds: float) -> Redis:
    """A call waits `call_seconds` for an answer and is repeated once: every script may be. Connects when it is used.

    The pools block when they are empty, because the other form raises without awaiting, and a loop around that spins.
    Raises ValueError for a URL that says none of the forms in `address`.
    """
    address = parse_address(url)
    common: dict[str, Any] = {
        "socket_timeout": call_seconds,
        "socket_connect_timeout": call_seconds,
        "socket_keepalive": True,
        "retry": Retry(ConstantBackoff(0.02), 1),
    }
    match address.kind:
        case Kind.SERVER:
            options = common | {"max_connections": _CONNECTIONS, "timeout": call_seconds} | dict(address.options)
            options["connection_class"] = packing(options.get("connection_class", Connection))
            return ScriptedRedis(connection_pool=BlockingConnectionPool(**options))
        case Kind.SENTINEL:
            return _primary(address, common, call_seconds)
        case Kind.CLUSTER:
            return cast("Redis", _cluster(address, common, call_seconds))


def is_clustered(redis: Redis) -> bool:
    return _as_cluster(redis) is not None


def _as_cluster(client: object) -> ScriptedCluster | None:
    return client if isinstance(client, ScriptedCluster) else None


class _BlockingSentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """Asks the Sentinels for the primary whenever it connects, and waits for a free connection."""


def _primary(address: RedisAddress, common: dict[str, Any], call_seconds: float) -> Redis:
    options = dict(address.options)
    tls = {name: value for name, value in options.items() if name.startswith("ssl_")} | {"ssl": address.tls}
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        address.hosts, sentinel_kwargs={**common, **tls, **(address.sentinel_options or {})}
    )
    pool = _BlockingSentinelPool(  # type: ignore[no-untyped-call]
        address.service,
        sentinel,
        **common | {"max_connections": _CONNECTIONS, "timeout": call_seconds} | options,
        connection_class=packing(SentinelManagedSSLConnection if address.tls else SentinelManagedConnection),
    )
    return _Watched(pool, sentinel.sentinels)


class _Watched(ScriptedRedis):
    """Closes the connections to the Sentinels as well."""

    def __init__(self, pool: BlockingConnectionPool, watchers: Sequence[Redis]) -> None:
        super().__init__(connection_pool=pool)
        self._watchers = watchers

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        for watcher in self._watchers:
            await watcher.aclose()


def _cluster(address: RedisAddress, common: dict[str, Any], call_seconds: float) -> ScriptedCluster:
    return ScriptedCluster(
        call_seconds=call_seconds,
        startup_nodes=[ClusterNode(host, port) for host, port in address.hosts],
        ssl=address.tls,
        **common | dict(address.options),
    )


@dataclass(frozen=True, slots=True)
class Home:
    """One server, and those of the sharded channels asked for that live there."""

    channels: tuple[str, ...]
    server: Redis
    own: bool
    """Whether the client was made for this home alone."""

    @asynccontextmanager
    async def subscription(self) -> AsyncIterator[PubSub]:
        """A connection of its own that has asked for the channels; the confirmations come as messages.

        Raises what redis-py raises; and so may leaving it.
        """
        pubsub = self.server.pubsub()
        try:
            for channel in self.channels:  # one by one: a cluster takes several at once from a single slot only
                await pubsub.ssubscribe(channel)
            yield pubsub
        finally:
            try:
                await pubsub.aclose()  # type: ignore[no-untyped-call]
            finally:
                if self.own:
                    await self.server.aclose(close_connection_pool=True)


async def homes_of(redis: Redis, channels: Sequence[str]) -> list[Home]:
    """Where the channels live just now: one home, or in a cluster as many as have some of them.

    Blocks for a look at the cluster. Raises what redis-py raises when there is nobody to ask.
    """
    cluster = _as_cluster(redis)
    if cluster is None:
        return [Home(tuple(channels), redis, own=False)]
    await cluster.look_around()
    by_node: dict[str, tuple[ClusterNode, list[str]]] = {}
    for channel in channels:
        node = await cluster.node_of(channel)
        by_node.setdefault(node.name, (node, []))[1].append(channel)
    return [Home(tuple(found), _client_of(node), own=True) for node, found in by_node.values()]


def _client_of(node: ClusterNode) -> Redis:
    """No retries: a subscription that broke may belong elsewhere by now."""
    options = {**node.connection_kwargs, "retry": Retry(NoBackoff(), 0)}
    return Redis(
        connection_pool=BlockingConnectionPool(max_connections=1, connection_class=node.connection_class, **options)
    )
