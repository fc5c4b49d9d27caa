"""A command that finds room in its socket is written at once; one that does not waits in bounded time.

redis-py gives each write a task and a timer of its own (`asyncio.wait_for`), which cost more than the write. Before
Python 3.12 it may also swallow a cancellation that comes just when the write has ended: a loop around a command that is
told to stop then goes on, and whoever waits for its end waits for ever (cpython#86296).
"""

import asyncio
from collections.abc import Iterable

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

__all__ = ["Prompt"]


class Prompt(AbstractConnection):
    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        if not self.is_connected:
            await self.connect_check_health(check_health=False)
        if check_health and self.health_check_interval:
            await self.check_health()  # type: ignore[no-untyped-call]
        try:
            await self._write(command)
        except TimeoutError:
            await self.disconnect(nowait=True)
            raise RedisTimeoutError("the server took nothing more") from None
        except (OSError, RuntimeError, AttributeError) as error:
            await self.disconnect(nowait=True)
            raise RedisConnectionError(f"the connection went while a command was written: {error}") from error
        except BaseException:
            await self.disconnect(nowait=True)  # the command may be half written
            raise

    async def _write(self, command: bytes | str | Iterable[bytes]) -> None:
        writer = self._writer
        if writer is None:
            raise ConnectionResetError("closed while it was about to be written to")
        if isinstance(command, str):
            writer.write(command.encode())
        elif isinstance(command, bytes):
            writer.write(command)
        else:
            writer.writelines(command)
        if writer.transport.get_write_buffer_size():
            async with asyncio.timeout(self.socket_timeout):
                await writer.drain()
