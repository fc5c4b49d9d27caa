"""A command that finds room in its socket is written at once.

redis-py gives each write a task and a timer of its own, which cost more than the write. Both are only needed where a
server takes nothing more, and there they are left to redis-py.
"""

from collections.abc import Iterable

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError

__all__ = ["Prompt"]


class Prompt(AbstractConnection):
    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        writer = self._writer
        if writer is None or self.health_check_interval or writer.transport.get_write_buffer_size():
            await super().send_packed_command(command, check_health)
            return
        try:
            if isinstance(command, str):
                writer.write(command.encode())
            elif isinstance(command, bytes):
                writer.write(command)
            else:
                writer.writelines(command)
        except (OSError, RuntimeError, AttributeError) as error:
            await self.disconnect(nowait=True)
            raise RedisConnectionError(f"the connection went while a command was written: {error}") from error
