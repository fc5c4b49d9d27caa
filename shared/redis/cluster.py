"""A Redis Cluster's client that Sluice's scripts and pipelines can use as they use a single server's.

redis-py's own has habits that do not fit: its pipelines take no scripts; when one node fails they close every
connection of the client, those with other tasks' calls on them too; a burst of calls is an error, not a wait; and a
cluster that is away, or has lost slots, raises something that is no RedisError.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final

from redis.asyncio.cluster import ClusterNode, ClusterPipeline, PipelineStrategy, RedisCluster
from redis.commands.core import AsyncScript
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisClusterException, RedisError, ResponseError

from shared.redis.packing import packing

__all__ = ["ScriptedCluster"]

_AT_ONCE: Final = 32


@contextmanager
def _as_away() -> Iterator[None]:
    try:
        yield
    except RedisClusterException as error:
        raise RedisConnectionError(f"the cluster does not answer as a whole: {error}") from error


class ScriptedCluster(RedisCluster):
    def __init__(self, *, call_seconds: float, **options: Any) -> None:  # noqa: ANN401 - redis-py's own options
        super().__init__(**options)
        self.connection_kwargs["connection_class"] = packing(self.connection_kwargs["connection_class"])
        self._call_seconds = call_seconds
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._scripts: dict[str, AsyncScript] = {}

    def register_script(self, script: str) -> AsyncScript:  # type: ignore[override]
        registered = AsyncScript(self, script)
        self._scripts[registered.sha] = registered
        return registered

    def pipeline(self, transaction: bool | None = None, shard_hint: str | None = None) -> "ScriptedPipeline":  # noqa: ARG002
        return ScriptedPipeline(self)  # type: ignore[abstract]

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        async with self.place():
            with _as_away():
                return await super().execute_command(*args, **kwargs)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Waits for one of the calls under way to end, as the pool of a single server does."""
        try:
            async with asyncio.timeout(self._call_seconds):
                await self._places.acquire()
        except TimeoutError as error:
            raise RedisConnectionError("too many calls wait for the cluster") from error
        try:
            yield
        finally:
            self._places.release()

    async def load_scripts(self) -> None:
        """Afterwards every primary knows every script: one that was a replica a moment ago knows none."""
        for script in self._scripts.values():
            await self.script_load(script.script)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: ARG002 - as an ordinary client
        await super().aclose()

    async def look_around(self) -> None:
        """Ask the nodes again who holds what. Raises nothing: the next call finds out whether it helped."""
        with suppress(RedisError, OSError), _as_away():
            await self.nodes_manager.initialize()

    async def node_of(self, key: str) -> ClusterNode:
        """Who has the key's slot. Raises RedisError when nobody does, or nobody answers."""
        with _as_away():
            await self.initialize()
            node = self.get_node_from_key(key)
        if node is None:
            raise RedisConnectionError("a part of the cluster is served by nobody")
        return node


class ScriptedPipeline(ClusterPipeline):
    def __init__(self, cluster: ScriptedCluster) -> None:
        super().__init__(cluster)
        self._execution_strategy = _OneTry(self, cluster)

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> "ScriptedPipeline":  # noqa: ANN401
        self.execute_command("EVALSHA", sha, numkeys, *keys_and_args)
        return self


class _OneTry(PipelineStrategy):
    """Every node once. A failure is the caller's to repeat, and the next try goes by a fresh look at the cluster."""

    def __init__(self, pipeline: ScriptedPipeline, cluster: ScriptedCluster) -> None:
        super().__init__(pipeline)
        self._cluster = cluster

    async def initialize(self) -> ClusterPipeline:
        """Whoever queues a script awaits the pipeline; redis-py would forget what is queued already."""
        return self._pipe

    async def execute(self, raise_on_error: bool = True, allow_redirections: bool = True) -> list[Any]:
        queue = self._command_queue
        if not queue:
            return []
        try:
            try:
                return await self._run(queue, raise_on_error, allow_redirections)
            except NoScriptError:
                await self._cluster.load_scripts()
                return await self._run(queue, raise_on_error, allow_redirections)
        except ResponseError:
            raise
        except (RedisError, OSError):
            await self._cluster.look_around()
            raise

    async def _run(self, queue: list[Any], *flags: bool) -> list[Any]:
        async with self._cluster.place():
            with _as_away():
                await self._cluster.initialize()
                return await self._execute(self._cluster, queue, *flags)
