"""The directory of `ports` kept in memory: keys for the doors, records for the admin API, one number for both."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.ingress.admission import Caller
from services.ingress.budget_rules import BudgetsInForce
from services.ingress.directory import BudgetRecord, Change, Changes, KeyRecord, StoredKey, TeamRecord, TenantRecord
from services.ingress.directory_ports import TakenError, UnknownNameError
from services.ingress.ports import Dependency, UnavailableError
from shared.audit import Event
from shared.budgets import rule_of
from shared.clock import utc_now
from shared.config.budgets import Budget
from shared.money import Nanodollars

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
    """`KeyDirectory`; `tenants`, `teams` and `keys` are `DirectoryOf`."""

    away: bool = False
    asked: list[str] = field(default_factory=list)
    """Ids that were looked up."""
    versions: list[Change] = field(default_factory=list)
    told: list[tuple[Record | None, Record, str]] = field(default_factory=list)
    """What the audit log would have: before, after, and by whom."""
    tenants: "MemoryRecords" = field(init=False)
    teams: "MemoryRecords" = field(init=False)
    keys: "MemoryRecords" = field(init=False)
    budgets: "MemoryBudgets" = field(init=False)

    def __post_init__(self) -> None:
        self.tenants = MemoryRecords(self, ("tenant",))
        self.teams = MemoryRecords(self, ("tenant", "team"))
        self.keys = MemoryRecords(self, ("key_id",))
        self.budgets = MemoryBudgets(self)

    async def find(self, key_id: str) -> StoredKey | None:
        self.answer()
        self.asked.append(key_id)
        key: KeyRecord | None = self.keys.records.get((key_id,))
        return None if key is None else self._stored(key)

    async def changes(self, since: int | None) -> Changes:
        self.answer()
        told = () if since is None else tuple(self.versions[since:])
        return Changes(len(self.versions), told, frozenset(change.tenant for change in told))

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


@dataclass(slots=True)
class MemoryBudgets:
    """`BudgetDesk`, and `BudgetDirectory` where accounting has nothing to sum up."""

    directory: MemoryDirectory
    records: dict[tuple[str, str], BudgetRecord] = field(default_factory=dict)

    async def hard(self, tenants: Collection[str] | None) -> Mapping[str, BudgetsInForce]:
        self.directory.answer()
        rules = [record.rule for record in self.records.values() if record.rule.hard]
        return {
            tenant: BudgetsInForce(made=[rule for rule in rules if rule.tenant == tenant])
            for tenant in {rule.tenant for rule in rules}
            if tenants is None or tenant in tenants
        }

    async def find(self, tenant: str, name: str) -> BudgetRecord | None:
        self.directory.answer()
        return self.records.get((tenant, name))

    async def page(self, tenant: str, *, after: str, limit: int) -> Sequence[BudgetRecord]:
        self.directory.answer()
        mine = sorted(name for name in self.records if name[0] == tenant and name[1] > after)
        return [self.records[name] for name in mine[:limit]]

    async def put(self, tenant: str, budget: Budget, by: str) -> BudgetRecord:
        self.directory.answer()
        if (tenant,) not in self.directory.tenants.records:
            raise UnknownNameError
        before = self.records.get((tenant, budget.name))
        if before is not None and before.by_file:
            raise TakenError
        rule, now = rule_of(tenant, self.directory.tenants.records[tenant,].time_zone, budget), utc_now()
        record = BudgetRecord(
            rule=rule,
            by_file=False,
            in_force=True,
            period=rule.period(now),
            spent=Nanodollars(0),
            held=Nanodollars(0),
            created_at=before.created_at if before else now,
            changed_at=now,
        )
        self.records[tenant, budget.name] = record
        self.directory.versions.append(Change(tenant))
        return record

    async def remove(self, tenant: str, name: str, by: str) -> bool:
        self.directory.answer()
        self.directory.versions.append(Change(tenant))
        return self.records.pop((tenant, name), None) is not None

    async def create_key(self, key: KeyRecord, budget: Budget, by: str) -> None:
        await self.directory.keys.create(key, by)
        await self.put(key.tenant, budget, by)
