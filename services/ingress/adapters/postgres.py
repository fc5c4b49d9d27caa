"""How ingress reaches PostgreSQL: pools that connect when they are used, and what their failures mean."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from services.ingress.adapters.reachability import plain
from services.ingress.ports import Dependency, UnavailableError
from shared.cancellation import cancellation_heard

__all__ = ["connection", "open_pool"]

_FAILURES = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # of a connection that breaks while its pool takes it back
    OSError,
    TimeoutError,
)


async def open_pool(url: str, *, call_seconds: float, most: int) -> Any:  # noqa: ANN401 - asyncpg has no types
    """Connects when it is first used. Close it with `terminate`, which waits for nobody."""
    return await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=most,
        timeout=call_seconds,
        command_timeout=call_seconds,
        server_settings={"application_name": "sluice-ingress"},
    )


@asynccontextmanager
async def connection(pool: Any, *, call_seconds: float) -> AsyncIterator[Any]:  # noqa: ANN401
    """Whatever the server or its driver says becomes UnavailableError."""
    try:
        with cancellation_heard():
            async with pool.acquire(timeout=call_seconds) as connected:
                yield connected
    except _FAILURES as error:
        raise UnavailableError(Dependency.POSTGRES, plain(error)) from error
