"""Whatever PostgreSQL or its driver says, whoever asks is told that it is not available, and who is to stop stops."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from services.ingress.adapters.postgres import connection
from services.ingress.ports import UnavailableError
from tests.suites.stopping import stops_when_told

FAILURES = [
    asyncpg.PostgresConnectionError("gone"),
    asyncpg.InterfaceError("the pool is closing"),
    asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
    socket.gaierror("no such host"),
    TimeoutError(),
]


class PoolThatFailsAtTheEnd:
    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    @asynccontextmanager
    async def acquire(self, timeout: float) -> AsyncIterator[str]:
        try:
            yield f"a connection within {timeout} s"
        finally:
            raise self._failure


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
async def test_a_connection_that_breaks_when_it_is_given_back_means_that_the_server_is_away(failure: Exception) -> None:
    with pytest.raises(UnavailableError):
        async with connection(PoolThatFailsAtTheEnd(failure), call_seconds=1) as connected:
            assert connected


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
async def test_who_is_told_to_stop_stops_though_the_connection_breaks_when_it_is_given_back(failure: Exception) -> None:
    async def look_again_and_again() -> None:
        while True:
            try:
                async with connection(PoolThatFailsAtTheEnd(failure), call_seconds=1):
                    await asyncio.Event().wait()
            except UnavailableError:
                pass

    assert await stops_when_told(look_again_and_again())
