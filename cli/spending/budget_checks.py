"""The budgets' part of an audit: the ledger with what is spent, and that with the books in Redis."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from cli.environment import Environment
from services.accounting.budgets.comparing import Book, disagreements
from services.accounting.budgets.redis_books import RedisBooks
from services.accounting.ledger.agreement import Difference
from services.accounting.ledger.budget_agreement import budget_differences
from services.accounting.ledger.budget_store import PostgresBudgets
from services.accounting.ports import AwayError
from shared.errors import OperatorError
from shared.job_log import Keyspace
from shared.redis import is_clustered, redis_client

__all__ = ["budgets_compared"]

_CALL_SECONDS: Final = 5.0


async def budgets_compared(environment: Environment, engine: AsyncEngine, since: datetime) -> Sequence[Difference]:
    """Raises AwayError, and OperatorError when Redis does not answer."""
    found = list(await budget_differences(engine, since))
    store = PostgresBudgets(engine)
    hard = await store.hard()
    if not hard:
        return found
    redis = redis_client(environment.redis.value, call_seconds=_CALL_SECONDS)
    try:
        books = RedisBooks(redis, Keyspace(environment.namespace, clustered=is_clustered(redis)))
        for tenant in hard:
            # First the book: what the ledger says then is as new as that, or newer.
            book = await _read(books, tenant, environment)
            figures = (await store.settle([tenant], ()))[tenant].figures
            found += [
                Difference(each.between, f"{tenant} {each.window}", str(each.first), str(each.second))
                for each in disagreements(figures, book)
            ]
    finally:
        await redis.aclose(close_connection_pool=True)
    return found


async def _read(books: RedisBooks, tenant: str, environment: Environment) -> Book:
    try:
        return await books.read(tenant)
    except AwayError as error:
        at = environment.redis
        raise OperatorError(f"Redis cannot be read (address by {at.source}): {error}.") from error
