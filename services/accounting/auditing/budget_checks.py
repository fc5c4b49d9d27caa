"""The budgets' part of an audit: the ledger with what is spent, and that with the books in Redis."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.budgets.comparing import Book, disagreements
from services.accounting.ledger.agreement import Difference
from services.accounting.ledger.budget_agreement import budget_differences
from services.accounting.ledger.budget_store import PostgresBudgets

__all__ = ["ReadBook", "budgets_compared"]

ReadBook = Callable[[str], Awaitable[Book]]
"""The book of a tenant, all of it, as it is in one moment. Blocks for Redis; may raise AwayError."""


async def budgets_compared(engine: AsyncEngine, read_book: ReadBook, since: datetime) -> Sequence[Difference]:
    """Raises AwayError, and what `read_book` raises."""
    found = list(await budget_differences(engine, since))
    store = PostgresBudgets(engine)
    for tenant in await store.hard():
        # First the book: what the ledger says then is as new as that, or newer.
        book = await read_book(tenant)
        figures = await store.figures(tenant)
        found += [
            Difference(each.between, f"{tenant} {each.window}", str(each.first), str(each.second))
            for each in disagreements(figures, book)
        ]
    return found
