"""What is one transaction of accounting? A batch of rows, the statement that takes them in, and the offsets."""

from collections.abc import Sequence

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql.elements import CompilerElement

from services.accounting.ledger.engine import as_text, transaction
from services.accounting.ledger.offsets import advance
from services.accounting.ledger.staging import Staging
from services.accounting.ports import Consumed

__all__ = ["Batches"]


class Batches:
    """Writes batches of one kind, by a statement that reads from `staging` and returns what it changed."""

    def __init__(self, staging: Staging, statement: CompilerElement) -> None:
        self._staging = staging
        self._statement = as_text(statement)

    async def write(
        self, engine: AsyncEngine, rows: Sequence[Sequence[object]], consumed: Consumed
    ) -> Sequence[asyncpg.Record]:
        """All or nothing. Blocks for the database; raises AwayError or UnstorableError."""
        async with transaction(engine) as connection:
            await self._staging.fill(connection, rows)
            changed: Sequence[asyncpg.Record] = await connection.fetch(self._statement)
            await advance(connection, consumed)
        return changed
