"""A connection that dies says so in one way, at whatever moment it dies.

redis-py lets through what uvloop and its own half-closed state raise when a connection goes in the middle of a call:
`RuntimeError` and `AttributeError`. To those who wait for a server that is away these must be what they are, or a
worker ends over a connection that broke at a bad moment. Writing is left to `prompt`, which does the same.
"""

from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError

__all__ = ["Dying"]


class Dying(AbstractConnection):
    async def read_response(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - redis-py's own
        try:
            return await super().read_response(*args, **options)
        except (RuntimeError, AttributeError) as error:
            await self.disconnect(nowait=True)
            raise RedisConnectionError(str(error)) from error
