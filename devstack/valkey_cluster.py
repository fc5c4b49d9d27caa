"""A Valkey Cluster on one machine: primaries that share the slots, each with a replica that takes over."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from devstack.ports import HOST, any_free
from devstack.server import POLL_SECONDS, ServerProcess, ServersUnavailable
from devstack.valkey import Valkey

__all__ = ["ValkeyCluster", "valkey_cluster"]

_SLOTS = 16_384
_FORMING_SECONDS = 20.0


class ValkeyCluster:
    def __init__(self, primaries: Sequence[Valkey], replicas: Sequence[Valkey], gossip_port: int) -> None:
        """`gossip_port` is the first primary's, whom the others are told of."""
        self._primaries = primaries
        self._replicas = replicas
        self._gossip_port = gossip_port

    @property
    def nodes(self) -> Sequence[Valkey]:
        return (*self._primaries, *self._replicas)

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"{HOST}:{node.port}" for node in self.nodes)

    async def primaries(self) -> list[Valkey]:
        """Those that have slots just now and answer."""
        return [node for node in self.nodes if node.pid and await _is_primary(node)]

    async def primary_of(self, key: str) -> Valkey:
        """Who has the slot of a key just now. Raises ServersUnavailable when nobody says so."""
        for node in await self.primaries():
            try:
                await _tell(node, "TYPE", key)
            except RedisError:
                continue  # it says who has it instead
            return node
        raise ServersUnavailable(f"Nobody has the slot of {key}.")

    async def start(self) -> None:
        for node in self.nodes:
            await node.start()
        await asyncio.gather(*(node.ready() for node in self.nodes))
        await self._form()

    async def stop(self) -> None:
        await asyncio.gather(*(node.kill() for node in self.nodes))

    async def settled(self, within_seconds: float = _FORMING_SECONDS) -> None:
        """Wait until every running node finds the cluster whole. Raises ServersUnavailable."""
        try:
            async with asyncio.timeout(within_seconds):
                for node in self.nodes:
                    while node.pid and not await _is_whole(node):  # noqa: ASYNC110 - it happens elsewhere
                        await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise ServersUnavailable(f"The cluster is not whole after {within_seconds:g} s.") from None

    async def _form(self) -> None:
        first = self._primaries[0]
        share = -(-_SLOTS // len(self._primaries))
        for number, node in enumerate(self._primaries):
            last = min((number + 1) * share, _SLOTS) - 1
            await _tell(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            await _tell(node, "CLUSTER", "ADDSLOTSRANGE", number * share, last)
        for node in self.nodes:
            await _tell(node, "CLUSTER", "MEET", HOST, first.port, self._gossip_port)
        for replica, primary in zip(self._replicas, self._primaries, strict=True):
            await _follow(replica, primary)
        await self.settled()


@asynccontextmanager
async def valkey_cluster(
    data: Path, *, primaries: int = 3, settings: Mapping[str, str] | None = None
) -> AsyncIterator[ValkeyCluster]:
    """A cluster that is whole; gone on the way out. A primary that dies is replaced after about two seconds."""
    common = {
        "cluster-enabled": "yes",
        "cluster-node-timeout": "1000",
        "cluster-announce-ip": HOST,
        # A replica on this machine is never so far behind that it must not take over.
        "cluster-replica-validity-factor": "0",
        "repl-diskless-sync-delay": "0",
        **(settings or {}),
    }
    # Not the usual ten thousand above the node's own: the system gives those ports to whoever connects to something.
    gossip_ports = [any_free() for _ in range(primaries * 2)]
    nodes = [
        _node(data / f"node-{number}", {**common, "cluster-port": str(port)})
        for number, port in enumerate(gossip_ports)
    ]
    cluster = ValkeyCluster(nodes[:primaries], nodes[primaries:], gossip_ports[0])
    try:
        await cluster.start()
        yield cluster
    finally:
        await cluster.stop()


def _node(folder: Path, settings: Mapping[str, str]) -> Valkey:
    folder.mkdir(parents=True, exist_ok=True)
    return Valkey(folder, any_free(), ServerProcess(folder.name, folder / "log"), settings)


async def _tell(node: Valkey, *command: str | int) -> Any:  # noqa: ANN401 - whatever Valkey answers
    async with Redis.from_url(node.url) as redis:
        return await redis.execute_command(*command)  # type: ignore[no-untyped-call]


async def _follow(replica: Valkey, primary: Valkey) -> None:
    """As soon as it has heard of the primary."""
    primary_id = await _tell(primary, "CLUSTER", "MYID")
    async with asyncio.timeout(_FORMING_SECONDS):
        while True:
            try:
                await _tell(replica, "CLUSTER", "REPLICATE", primary_id)
            except RedisError:
                await asyncio.sleep(POLL_SECONDS)
            else:
                return


async def _is_whole(node: Valkey) -> bool:
    state = await _tell(node, "CLUSTER INFO")
    replication = await _tell(node, "INFO", "replication")
    linked = replication["role"] == "master" or replication["master_link_status"] == "up"
    return bool(state["cluster_state"] == "ok" and linked)


async def _is_primary(node: Valkey) -> bool:
    return bool((await _tell(node, "INFO", "replication"))["role"] == "master")
