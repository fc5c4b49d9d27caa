"""A single server's client whose pipelines take it that the server knows their scripts.

redis-py's ask for them before every pipeline, which doubles the round trips of what is written for every token. A
server that has forgotten them, or was never told, says so; then it is told, and asked again.
"""

from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.commands.core import AsyncScript
from redis.exceptions import NoScriptError

__all__ = ["ScriptedRedis"]


class ScriptedRedis(Redis):
    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - redis-py's own options
        super().__init__(**options)
        self._scripts: dict[str, AsyncScript] = {}

    def register_script(self, script: str) -> AsyncScript:  # type: ignore[override]
        registered = AsyncScript(self, script)
        self._scripts[registered.sha] = registered
        return registered

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        return _ScriptedPipeline(self, transaction, shard_hint)

    async def tell_scripts(self) -> None:
        for script in self._scripts.values():
            await self.script_load(script.script)


class _ScriptedPipeline(Pipeline):
    def __init__(self, redis: ScriptedRedis, transaction: bool, shard_hint: str | None) -> None:
        super().__init__(redis.connection_pool, redis.response_callbacks, transaction, shard_hint)
        self._redis = redis

    async def load_scripts(self) -> None:
        """Nothing: see above."""

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        commands = list(self.command_stack)
        try:
            return await super().execute(raise_on_error)
        except NoScriptError:
            await self._redis.tell_scripts()
            self.command_stack = commands
            return await super().execute(raise_on_error)
