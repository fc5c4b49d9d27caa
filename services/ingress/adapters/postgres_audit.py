"""The audit log of `ports.AuditLog` in PostgreSQL, and what carries it to its topic.

An entry is in the table first, in the transaction of what it tells of; what is not on the topic yet stands beside it.
One replica at a time carries it over, and then says how far each chain is published. Who dies in between leaves an
entry that is published twice: place and hash tell that it is the same.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import orjson

from services.ingress.adapters.kafka_records import KafkaRecords
from services.ingress.adapters.postgres import connection
from services.ingress.ports import UnavailableError, UnconfirmedError
from shared.audit import Event, append
from shared.contracts import AuditEntry
from shared.topics import AUDIT

__all__ = ["AuditRelay", "PostgresAudit"]

_LOOK_SECONDS: Final = 1.0
_AT_ONCE: Final = 200
_TURN: Final = "select pg_try_advisory_xact_lock(hashtextextended('sluice audit relay', 0))"
_PENDING: Final = """
    select l.* from audit_pending p join audit_log l using (tenant, seq) order by l.tenant, l.seq limit $1
"""
_PUBLISHED: Final = """
    insert into audit_published as p (tenant, seq, hash) values ($1, $2, $3)
    on conflict (tenant) do update set seq = excluded.seq, hash = excluded.hash where p.seq < excluded.seq
"""
_DONE: Final = "delete from audit_pending where tenant = $1 and seq <= $2"


class PostgresAudit:
    def __init__(self, pool: Any, *, call_seconds: float) -> None:  # noqa: ANN401 - asyncpg has no types
        self._pool = pool
        self._call_seconds = call_seconds

    async def write(self, events: Sequence[Event]) -> None:
        # In one order, so that two who write at once do not wait for each other.
        ordered = sorted(events, key=lambda event: event.tenant)
        async with connection(self._pool, call_seconds=self._call_seconds) as connected, connected.transaction():
            for event in ordered:
                await append(connected, event)


class AuditRelay:
    def __init__(self, pool: Any, records: KafkaRecords, topic_prefix: str, *, call_seconds: float) -> None:  # noqa: ANN401
        self._pool = pool
        self._records = records
        self._topic = AUDIT.at(topic_prefix)
        self._call_seconds = call_seconds

    async def run(self) -> None:
        """Until cancelled; waits for whoever is away."""
        while True:
            published = 0
            with suppress(UnavailableError, UnconfirmedError):
                published = await self.publish()
            if published < _AT_ONCE:
                await asyncio.sleep(_LOOK_SECONDS)

    async def publish(self) -> int:
        """How many entries were put on the topic; none while another replica is at it.

        Raises as `KafkaRecords.send`.
        """
        async with connection(self._pool, call_seconds=self._call_seconds) as connected, connected.transaction():
            if not await connected.fetchval(_TURN):
                return 0
            rows = await connected.fetch(_PENDING, _AT_ONCE)
            for row in rows:
                entry = _entry(row)
                await self._records.send(self._topic, key=entry.tenant.encode(), value=entry.to_bytes(), headers=())
            for row in {row["tenant"]: row for row in rows}.values():
                await connected.execute(_PUBLISHED, row["tenant"], row["seq"], row["hash"])
                await connected.execute(_DONE, row["tenant"], row["seq"])
        return len(rows)


def _entry(row: Any) -> AuditEntry:  # noqa: ANN401
    return AuditEntry(
        tenant=row["tenant"],
        seq=row["seq"],
        at=row["at"],
        actor=row["actor"],
        action=row["action"],
        subject=row["subject"],
        details=orjson.loads(row["details"]),
        previous=row["previous"],
        hash=row["hash"],
    )
