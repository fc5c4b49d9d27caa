"""How does a row get another price? By the price book of today, asked for the moment of its call.

A row whose cost comes out as it is stays untouched, so to reprice twice is to reprice once, and one that was broken off
is begun again. A page of rows is one transaction: the ledger's rows get their new price, the old one goes into
`price_changes`, the difference into the roll-ups. A price that the book does not know takes none away.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

import asyncpg
from pydantic_core import from_json
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.engine import transaction
from services.accounting.ledger.price_update import PRICES, TRAVELLING
from shared.contracts import TokenUsage
from shared.money import Nanodollars
from shared.prices import PriceBook, cost, saved_by_cache

__all__ = ["Change", "Rows", "Scope", "foreseen", "reprice"]

_PAGE: Final = 5000


class Rows(StrEnum):
    UNPRICED = "unpriced"
    """Only those that have no price."""
    ALL = "all"
    """Those that have one, too."""


@dataclass(frozen=True, slots=True)
class Scope:
    rows: Rows
    since: datetime
    """Of the calls that ended then or later."""
    until: datetime


class Change(NamedTuple):
    """The fields that `TRAVELLING` names come first."""

    job_id: str
    attempt: int
    keyed_at: float
    cost_before_nanodollars: int | None
    cost_after_nanodollars: Nanodollars
    price_version_after: str
    cache_saved_after_nanodollars: Nanodollars | None
    provider: str
    upstream_model: str


_READ: Final = """
    select job_id, attempt, extract(epoch from keyed_at)::float8 as keyed_at, provider, upstream_model, started_at,
           service_tier, cost_nanodollars, uncached_input_tokens, cache_write_tokens, cache_read_tokens,
           output_tokens, reasoning_tokens, units::text as units
    from usage_ledger
    where ended_at >= $1 and ended_at < $2 and (job_id, attempt) > ($3, $4) and ($5 or cost_nanodollars is null)
    order by job_id, attempt limit $6
"""


async def foreseen(engine: AsyncEngine, book: PriceBook, scope: Scope) -> AsyncIterator[Sequence[Change]]:
    """What `reprice` would change, page by page. Raises AwayError."""
    after: tuple[str, int] = ("", 0)
    while True:
        async with transaction(engine) as connection:
            rows = await connection.fetch(_READ, scope.since, scope.until, *after, scope.rows is Rows.ALL, _PAGE)
        yield [change for row in rows if (change := _change(row, book))]
        if len(rows) < _PAGE:
            return
        after = (rows[-1]["job_id"], rows[-1]["attempt"])


async def reprice(engine: AsyncEngine, book: PriceBook, scope: Scope) -> AsyncIterator[Sequence[Change]]:
    """Change prices, and tell of each page when it is changed. Raises AwayError; what was told of stays."""
    async for page in foreseen(engine, book, scope):
        if not page:
            continue
        done = {tuple(row) for row in await PRICES.write(engine, [change[: len(TRAVELLING)] for change in page], {})}
        yield [change for change in page if (change.job_id, change.attempt) in done]


def _change(row: asyncpg.Record, book: PriceBook) -> Change | None:
    usage = TokenUsage(
        uncached_input=row["uncached_input_tokens"],
        cache_write=row["cache_write_tokens"],
        cache_read=row["cache_read_tokens"],
        output=row["output_tokens"],
        reasoning=row["reasoning_tokens"],
    )
    quote = book.quote(row["provider"], row["upstream_model"], row["started_at"], row["service_tier"])
    units = from_json(row["units"])
    due = cost(usage, quote.prices, units)
    if due is None or due == row["cost_nanodollars"]:
        return None
    return Change(
        job_id=row["job_id"],
        attempt=row["attempt"],
        keyed_at=row["keyed_at"],
        cost_before_nanodollars=row["cost_nanodollars"],
        cost_after_nanodollars=due,
        price_version_after=quote.version,
        cache_saved_after_nanodollars=saved_by_cache(usage, quote.prices, units),
        provider=row["provider"],
        upstream_model=row["upstream_model"],
    )
