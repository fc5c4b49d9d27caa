"""How far has each topic been written? Moved forward only, in the transaction that writes the rows."""

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.accounting.ledger.tables import consumed_offsets
from services.accounting.ports import Consumed

__all__ = ["advance"]

_insertion = insert(consumed_offsets)
_ADVANCE = _insertion.on_conflict_do_update(
    index_elements=consumed_offsets.primary_key,
    set_={
        # A replay must not move it back.
        "next_offset": func.greatest(consumed_offsets.c.next_offset, _insertion.excluded.next_offset),
        "moved_at": func.now(),
    },
)


async def advance(connection: AsyncConnection, consumed: Consumed) -> None:
    if consumed:
        await connection.execute(
            _ADVANCE,
            [
                {"topic": place.topic, "partition": place.partition, "next_offset": offset}
                for place, offset in sorted(consumed.items())
            ],
        )
