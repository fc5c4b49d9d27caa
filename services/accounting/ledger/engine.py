"""How is the database reached, and what does its failure mean?"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

import asyncpg
from sqlalchemy import Insert
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.sql.elements import CompilerElement

from services.accounting.ports import AwayError, MisfitError, UnstorableError
from shared.cancellation import cancellation_heard

__all__ = ["as_text", "dispose", "engine_for", "failures_told", "ping", "transaction", "with_parameters"]

_DIALECT: Final = asyncpg_dialect()  # type: ignore[no-untyped-call]

_CONNECT_SECONDS: Final = 5
_STATEMENT_SECONDS: Final = 60
"""A batch takes milliseconds. Who waits this long waits for a server that is not there."""

_GOODBYE_SECONDS: Final = 2.0

_CONNECTIONS: Final = 6
"""One for each kind of record, one for a probe, and two for what is done with budgets."""

_ROW_AT_FAULT: Final = ("22", "23")
"""SQLSTATE classes *data exception* and *integrity constraint violation*: another try would fail like this one."""

_MADE_OTHERWISE: Final = "42"
"""The class *syntax error or access rule violation*: a table or a column is not there, or is another."""
_NOT_ALLOWED: Final = "42501"
"""In that class, but a matter of rights, which somebody may grant."""


def engine_for(
    url: str, *, connections: int = _CONNECTIONS, statement_seconds: float = _STATEMENT_SECONDS
) -> AsyncEngine:
    """`url` is a libpq URL, such as other programs take it, several hosts and options of TLS included."""

    async def connect() -> asyncpg.Connection:
        # The driver reads the URL itself, as it does in ingress: SQLAlchemy knows neither `sslrootcert` nor two hosts.
        return await asyncpg.connect(url, timeout=_CONNECT_SECONDS, command_timeout=statement_seconds)

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=_CONNECT_SECONDS,
    )


async def dispose(engine: AsyncEngine) -> None:
    """Close its connections. Each says goodbye to a server and waits for it to hang up, and here not for long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_GOODBYE_SECONDS):
            await engine.dispose()


async def ping(engine: AsyncEngine) -> None:
    """Raises AwayError or TimeoutError when the database does not answer."""
    async with asyncio.timeout(_CONNECT_SECONDS), transaction(engine) as connection:
        await connection.execute("select 1")


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[asyncpg.Connection]:
    """A transaction of the driver's own, for COPY and for thousands of batches a minute. Raises as `failures_told`."""
    with failures_told():
        async with engine.connect() as pooled:
            driver = (await pooled.get_raw_connection()).driver_connection
            if driver is None:
                raise AwayError("the connection is gone")
            try:
                begun = driver.transaction()
                await begun.start()
                yield driver
                await begun.commit()
            except BaseException:
                # Not rolled back in words: a server that is not there is waited for as long as for a statement, and one
                # that is there does so by itself. Failures are rare enough for a new connection.
                driver.terminate()
                await pooled.invalidate()
                raise


def as_text(statement: CompilerElement) -> str:
    """The statement as the driver takes it, with its constants written out."""
    return str(statement.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))


def with_parameters(statement: Insert, columns: Sequence[str]) -> str:
    """The insert of one row of these columns: its values are the parameters, in their order."""
    return str(statement.compile(dialect=_DIALECT, column_keys=columns))


@contextmanager
def failures_told() -> Iterator[None]:
    """Whatever the database or its driver says becomes `UnstorableError`, when a row is at fault, or `AwayError`.

    When nothing is wrong but the database is made otherwise, it is `MisfitError`.
    """
    try:
        with cancellation_heard():
            yield
    except (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise _meaning_of(getattr(cause, "sqlstate", None) or "")(str(cause)) from error
    except (OverflowError, UnicodeError) as error:
        # COPY tells in this way that a number or a text does not fit its column.
        raise UnstorableError(str(error)) from error
    except (OSError, PoolTimeout) as error:
        raise AwayError(str(error) or type(error).__name__) from error


def _meaning_of(sqlstate: str) -> type[AwayError | UnstorableError]:
    if sqlstate[:2] in _ROW_AT_FAULT:
        return UnstorableError
    return MisfitError if sqlstate[:2] == _MADE_OTHERWISE and sqlstate != _NOT_ALLOWED else AwayError
