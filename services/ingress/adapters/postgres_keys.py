"""The key directory of `ports.KeyDirectory` in PostgreSQL: what an id stands for, and what has changed lately."""

from typing import Any, Final

import orjson

from services.ingress.adapters.postgres import connection
from services.ingress.adapters.postgres_records import limits_of
from services.ingress.admission import Caller
from services.ingress.directory import Change, Changes, StoredKey
from services.ingress.ports import Dependency, UnavailableError
from shared.contracts import Lane

__all__ = ["PostgresKeys"]

# One row in any case: an unknown id is not seen by the time of the answer.
_FIND: Final = """
    select k.key_id, k.tenant, k.team, k.hash, k.previous_hash, k.previous_until, k.models, k.lanes, k.tags,
           k.expires_at, k.revoked_at is not null as revoked,
           k.blocked or t.blocked or coalesce(m.blocked, false) as blocked,
           k.limits, m.limits as team_limits, t.limits as tenant_limits
    from (select $1::text collate "C" as key_id) asked
    left join api_keys k on k.key_id = asked.key_id
    left join tenants t on t.tenant = k.tenant
    left join teams m on m.tenant = k.tenant and m.team = k.team
"""
_VERSION: Final = "select version from directory_version"
_CHANGES: Final = """
    select tenant, null as key_id, false as of_budgets from tenants where version > $1
    union all select tenant, null, false from teams where version > $1
    union all select tenant, key_id, false from api_keys where version > $1
    union all select tenant, null, true from budget_changes where version > $1
"""
_MOST_WAITING: Final = 200
"""Who asks after keys that nobody knows must not fill the memory of this process."""


class PostgresKeys:
    def __init__(self, pool: Any, *, call_seconds: float) -> None:  # noqa: ANN401 - asyncpg has no types
        self._pool = pool
        self._call_seconds = call_seconds
        self._waiting = 0

    async def find(self, key_id: str) -> StoredKey | None:
        if self._waiting >= _MOST_WAITING:
            raise UnavailableError(Dependency.POSTGRES, "too many unknown keys at once")
        self._waiting += 1
        try:
            async with connection(self._pool, call_seconds=self._call_seconds) as connected:
                row = await connected.fetchrow(_FIND, key_id)
        finally:
            self._waiting -= 1
        return None if row["key_id"] is None else _stored(row)

    async def changes(self, since: int | None) -> Changes:
        async with connection(self._pool, call_seconds=self._call_seconds) as connected:
            version: int = await connected.fetchval(_VERSION)
            if since is None or version <= since:
                return Changes(version)
            # What is committed between the two statements is told now, and once more the next time.
            rows = await connected.fetch(_CHANGES, since)
        return Changes(
            version,
            tuple(Change(row["tenant"], row["key_id"]) for row in rows if not row["of_budgets"]),
            frozenset(row["tenant"] for row in rows if row["of_budgets"]),
        )


def _stored(row: Any) -> StoredKey:  # noqa: ANN401
    return StoredKey(
        caller=Caller(
            row["tenant"],
            row["key_id"],
            frozenset(row["models"]),
            frozenset(map(Lane, row["lanes"])),
            row["team"],
            orjson.loads(row["tags"]),
            limits_of(row["limits"]),
            limits_of(row["team_limits"]),
            limits_of(row["tenant_limits"]),
        ),
        hash=row["hash"],
        previous_hash=row["previous_hash"],
        previous_until=row["previous_until"],
        expires_at=row["expires_at"],
        revoked=row["revoked"],
        blocked=row["blocked"],
    )
