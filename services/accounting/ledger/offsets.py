"""How far has each topic been written? Moved forward only, in the transaction that writes the rows."""

import asyncpg
from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert

from services.accounting.ledger.engine import with_parameters
from services.accounting.ledger.tables import consumed_offsets
from services.accounting.ports import Consumed

__all__ = ["advance"]

_COLUMNS = ("topic", "partition", "next_offset")

_insertion = insert(consumed_offsets)
_ADVANCE = with_parameters(
    _insertion.on_conflict_do_update(
        index_elements=consumed_offsets.primary_key,
        set_={
            # A replay must not move it back.
            "next_offset": func.greatest(consumed_offsets.c.next_offset, _insertion.excluded.next_offset),
            "moved_at": func.now(),
        },
    ),
    _COLUMNS,
)


async def advance(transaction: asyncpg.Connection, consumed: Consumed) -> None:
    if consumed:
        await transaction.executemany(_ADVANCE, [(*place, offset) for place, offset in sorted(consumed.items())])
