"""The directory of `ports` kept in memory: keys for the doors, records for the admin API, one number for both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.ingress.admission import Caller
from services.ingress.directory import Change, Changes, KeyRecord, StoredKey, TeamRecord, TenantRecord
from services.ingress.ports import Dependency, TakenError, UnavailableError, UnknownNameError
from shared.audit import Event

__all__ = ["MemoryAuditLog", "MemoryDirectory"]

Record = Any


@dataclass(slots=True)
class MemoryAuditLog:
    """`ports.AuditLog`."""

    away: bool = False
    events: list[Event] = field(default_factory=list)

    async def write(self, events: Sequence[Event]) -> None:
        if self.away:
            raise UnavailableError(Dependency.POSTGRES, "gone for lunch")
        self.events += events


@dataclass(slots=True)
class MemoryDirectory:
    """`ports.KeyDirectory`; `tenants`, `teams` and `keys` are `ports.DirectoryOf`."""

    away: bool = False
    asked: list[str] = field(default_factory=list)
    """Ids that were looked up."""
    versions: list[Change] = field(default_factory=list)
    told: list[tuple[Record | None, Record, str]] = field(default_factory=list)
    """What the audit log would have: before, after, and by whom."""
    tenants: "MemoryRecords" = field(init=False)
    teams: "MemoryRecords" = field(init=False)
    keys: "MemoryRecords" = field(init=False)

    def __post_init__(self) -> None:
        self.tenants = MemoryRecords(self, ("tenant",))
        self.teams = MemoryRecords(self, ("tenant", "team"))
        self.keys = MemoryRecords(self, ("key_id",))

    async def find(self, key_id: str) -> StoredKey | None:
        self.answer()
        self.asked.append(key_id)
        key: KeyRecord | None = self.keys.records.get((key_id,))
        return None if key is None else self._stored(key)

    async def changes(self, since: int | None) -> Changes:
        self.answer()
        return Changes(len(self.versions), () if since is None else tuple(self.versions[since:]))

    def answer(self) -> None:
        if self.away:
            raise UnavailableError(Dependency.POSTGRES, "gone for lunch")

    def _stored(self, key: KeyRecord) -> StoredKey:
        tenant: TenantRecord = self.tenants.records[key.tenant,]
        team: TeamRecord | None = self.teams.records.get((key.tenant, key.team))
        caller = Caller(
            key.tenant,
            key.key_id,
            frozenset(key.models),
            frozenset(key.lanes),
            key.team,
            dict(key.tags),
            key.limits,
            *((team.limits,) if team else ()),
            tenant_limits=tenant.limits,
        )
        return StoredKey(
            caller=caller,
            hash=key.hash,
            previous_hash=key.previous_hash,
            previous_until=key.previous_until,
            expires_at=key.expires_at,
            revoked=key.revoked_at is not None,
            blocked=key.blocked or tenant.blocked or bool(team and team.blocked),
        )


@dataclass(slots=True)
class MemoryRecords:
    directory: MemoryDirectory
    name: tuple[str, ...]
    records: dict[tuple[str, ...], Record] = field(default_factory=dict)

    async def find(self, *name: str) -> Record | None:
        self.directory.answer()
        return self.records.get(name)

    async def page(self, tenant: str | None, *, after: str, limit: int) -> Sequence[Record]:
        self.directory.answer()
        mine = [name for name, record in self.records.items() if tenant in (None, record.tenant) and name[-1] > after]
        return [self.records[name] for name in sorted(mine, key=lambda name: name[-1])[:limit]]

    async def create(self, record: Record, by: str) -> None:
        self.directory.answer()
        name = tuple(getattr(record, column) for column in self.name)
        if name in self.records:
            raise TakenError
        if self.name != ("tenant",) and (record.tenant,) not in self.directory.tenants.records:
            raise UnknownNameError
        if (
            self.name == ("key_id",)
            and record.team
            and (record.tenant, record.team) not in self.directory.teams.records
        ):
            raise UnknownNameError
        self._keep(name, record)
        self.directory.told.append((None, record, by))

    async def change(self, how: Callable[[Record], Record], by: str, *name: str) -> Record | None:
        self.directory.answer()
        if name not in self.records:
            return None
        before = self.records[name]
        self._keep(name, how(before))
        self.directory.told.append((before, self.records[name], by))
        return self.records[name]

    def _keep(self, name: tuple[str, ...], record: Record) -> None:
        self.records[name] = record
        self.directory.versions.append(Change(record.tenant, record.key_id if self.name == ("key_id",) else None))
