"""How is an event added to its tenant's chain? In the transaction of what it tells of: both happen, or neither."""

from typing import Any, Final

import orjson

from shared.audit.chain import FIRST, Event, chained
from shared.contracts import AuditEntry

__all__ = ["append"]

# One at a time for each tenant, until the transaction ends.
_LOCK: Final = "select pg_advisory_xact_lock(hashtextextended('sluice audit ' || $1, 0))"
_LAST: Final = "select seq, hash from audit_log where tenant = $1 order by seq desc limit 1"
_INSERT: Final = """
    with added as (
        insert into audit_log (tenant, seq, at, actor, action, subject, details, previous, hash)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        returning tenant, seq
    )
    insert into audit_pending (tenant, seq) select tenant, seq from added
"""


async def append(connection: Any, event: Event) -> AuditEntry:  # noqa: ANN401 - asyncpg has no types
    """`connection` is inside a transaction (read committed). Raises what the database raises."""
    await connection.execute(_LOCK, event.tenant)
    last = await connection.fetchrow(_LAST, event.tenant)
    entry = chained(event, last["seq"] + 1 if last else 1, last["hash"] if last else FIRST)
    await connection.execute(
        _INSERT,
        entry.tenant,
        entry.seq,
        entry.at,
        entry.actor,
        entry.action,
        entry.subject,
        orjson.dumps(entry.details).decode(),
        entry.previous,
        entry.hash,
    )
    return entry
