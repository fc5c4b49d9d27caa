"""What is in the audit log, chain by chain, and how far each was published? And what a command adds to it."""

from collections.abc import AsyncIterator, Mapping

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.engine import failures_told, transaction
from services.accounting.ledger.tables import audit_log, audit_published
from shared.audit import Event, append
from shared.contracts import AuditEntry

__all__ = ["add_entry", "audit_entries", "latest_entries", "published_ends"]


async def audit_entries(engine: AsyncEngine, tenant: str | None) -> AsyncIterator[AuditEntry]:
    """By tenant, each chain from its beginning. Raises AwayError."""
    query = select(audit_log).order_by(audit_log.c.tenant, audit_log.c.seq)
    if tenant is not None:
        query = query.where(audit_log.c.tenant == tenant)
    with failures_told():
        async with engine.connect() as connection:
            async for row in (await connection.stream(query)).mappings():
                yield _entry(row)


async def latest_entries(engine: AsyncEngine, tenant: str | None, limit: int) -> list[AuditEntry]:
    """The newest first. Raises AwayError."""
    query = select(audit_log).order_by(audit_log.c.at.desc(), audit_log.c.seq.desc()).limit(limit)
    if tenant is not None:
        query = query.where(audit_log.c.tenant == tenant)
    with failures_told():
        async with engine.connect() as connection:
            return [_entry(row) for row in (await connection.execute(query)).mappings()]


async def published_ends(engine: AsyncEngine) -> Mapping[str, tuple[int, str]]:
    """Of each tenant's chain the last entry that was published, and its hash. Raises AwayError."""
    with failures_told():
        async with engine.connect() as connection:
            return {row.tenant: (row.seq, row.hash) for row in await connection.execute(select(audit_published))}


async def add_entry(engine: AsyncEngine, event: Event) -> None:
    """Raises AwayError, also when the role may not add to the log."""
    async with transaction(engine) as connection:
        await append(connection, event)


def _entry(said: RowMapping) -> AuditEntry:
    return AuditEntry(
        tenant=said["tenant"],
        seq=said["seq"],
        at=said["at"],
        actor=said["actor"],
        action=said["action"],
        subject=said["subject"],
        details=said["details"],
        previous=said["previous"],
        hash=said["hash"],
    )
