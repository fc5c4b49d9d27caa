"""How do commands reach the books that are audited?"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Final

from cli.environment import Environment
from cli.kafka import reading
from cli.spending.asking import ledger
from services.accounting.auditing.comparing import Audit, Books, Span
from services.accounting.auditing.comparing import audited as compared
from services.accounting.budgets.comparing import Book
from services.accounting.budgets.redis_books import RedisBooks
from services.accounting.ports import AwayError
from shared.errors import OperatorError
from shared.job_log import Keyspace
from shared.redis import is_clustered, redis_client
from shared.topic_reading import Reading
from shared.topics import Topic

__all__ = ["audited"]

_CALL_SECONDS: Final = 5.0


async def audited(environment: Environment, span: Span) -> Audit:
    """Raises OperatorError."""

    def opened(topic: Topic, since: datetime) -> AbstractAsyncContextManager[Reading]:
        return reading(environment.kafka, [topic.at(environment.topic_prefix)], since=since)

    async with ledger(environment) as engine, _books(environment) as books:
        return await compared(Books(engine, partial(_read, books, environment), opened), span)


@asynccontextmanager
async def _books(environment: Environment) -> AsyncIterator[RedisBooks]:
    redis = redis_client(environment.redis.value, call_seconds=_CALL_SECONDS)
    try:
        yield RedisBooks(redis, Keyspace(environment.namespace, clustered=is_clustered(redis)))
    finally:
        await redis.aclose(close_connection_pool=True)


async def _read(books: RedisBooks, environment: Environment, tenant: str) -> Book:
    try:
        return await books.read(tenant)
    except AwayError as error:
        at = environment.redis
        raise OperatorError(f"Redis cannot be read (address by {at.source}): {error}.") from error
