"""Whatever PostgreSQL or its driver says, whoever asks is told that it is not available."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from services.ingress.adapters.postgres import connection
from services.ingress.ports import UnavailableError

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
        yield f"a connection within {timeout} s"
        raise self._failure


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
async def test_a_connection_that_breaks_when_it_is_given_back_means_that_the_server_is_away(failure: Exception) -> None:
    with pytest.raises(UnavailableError):
        async with connection(PoolThatFailsAtTheEnd(failure), call_seconds=1) as connected:
            assert connected
