"""A Redis Cluster's client that Sluice's scripts and pipelines can use as they use a single server's.

redis-py's own has three habits that do not fit: its pipelines take no scripts; when one node fails they close every
connection of the client, those with other tasks' calls on them too; and a burst of calls is an error, not a wait.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from redis.asyncio.cluster import ClusterPipeline, PipelineStrategy, RedisCluster
from redis.commands.core import AsyncScript
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError, ResponseError

__all__ = ["ScriptedCluster"]

_AT_ONCE: Final = 32


class ScriptedCluster(RedisCluster):
    def __init__(self, *, call_seconds: float, **options: Any) -> None:  # noqa: ANN401 - redis-py's own options
        super().__init__(**options)
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

    async def look_around(self) -> None:
        """Ask the nodes again who holds what. Raises nothing: the next call finds out whether it helped."""
        with suppress(RedisError, OSError):
            await self.nodes_manager.initialize()


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

    async def execute(self, raise_on_error: bool = True, allow_redirections: bool = True) -> list[Any]:
        queue = self._command_queue
        if not queue:
            return []
        try:
            async with self._cluster.place():
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
        await self._cluster.initialize()
        return await self._execute(self._cluster, queue, *flags)
