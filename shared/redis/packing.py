"""Commands are packed by hiredis in C. redis-py does so only without asyncio; its own packing in Python takes four
times as long, which for the tokens of an answer adds up to a tenth of what a worker spends on it.
"""

from collections.abc import Mapping
from typing import Final

import hiredis
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection
from redis.asyncio.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection
from redis.typing import EncodableT

from shared.redis.dying import Dying
from shared.redis.prompt import Prompt

__all__ = ["packing"]


class _Packing(AbstractConnection):
    def pack_command(self, *args: EncodableT) -> list[bytes]:
        """A command of several words, such as `CLIENT SETINFO`, comes as one argument and is sent as several."""
        name = args[0]
        words = name.split() if isinstance(name, str | bytes) else [name]
        return [hiredis.pack_command((*words, *args[1:]))]


class _PackingConnection(_Packing, Prompt, Dying, Connection):
    pass


class _PackingSSLConnection(_Packing, Prompt, Dying, SSLConnection):
    pass


class _PackingSentinelConnection(_Packing, Prompt, Dying, SentinelManagedConnection):
    pass


class _PackingSentinelSSLConnection(_Packing, Prompt, Dying, SentinelManagedSSLConnection):
    pass


_PACKING: Final[Mapping[object, type[AbstractConnection]]] = {
    Connection: _PackingConnection,
    SSLConnection: _PackingSSLConnection,
    SentinelManagedConnection: _PackingSentinelConnection,
    SentinelManagedSSLConnection: _PackingSentinelSSLConnection,
}


def packing(connection_class: object) -> object:
    """The same kind of connection, with the quicker packing and writing, and dying as it should, where it is known."""
    return _PACKING.get(connection_class, connection_class)
