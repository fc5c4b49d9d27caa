"""What does the audit log say of a change by an administrator? Pure: of the record before and after it."""

from dataclasses import asdict, fields
from datetime import datetime
from typing import Final

from pydantic import JsonValue

from services.ingress.admission import Limits
from services.ingress.directory import KeyRecord, TeamRecord, TenantRecord
from shared.audit import Event
from shared.budgets import BudgetRule
from shared.contracts import AuditAction
from shared.money import dollars

__all__ = ["budget_removed", "budget_set", "event_of"]

Record = TenantRecord | TeamRecord | KeyRecord

_UNTOLD: Final = frozenset({"hash", "previous_hash", "created_at", "changed_at"})


def event_of(before: Record | None, after: Record, by: str, now: datetime) -> Event | None:
    """`before` is None of a new one. None when nothing has changed."""
    changed = {
        field.name: (None if before is None else getattr(before, field.name), getattr(after, field.name))
        for field in fields(after)
        if before is None or getattr(before, field.name) != getattr(after, field.name)
    }
    if not changed.keys() - {"changed_at"}:
        return None
    told = {
        name: _plain(new) if before is None else [_plain(old), _plain(new)]
        for name, (old, new) in changed.items()
        if name not in _UNTOLD
    }
    return Event(after.tenant, now, by, _action(before, after, set(changed)), _subject(after), told)


def budget_set(before: BudgetRule | None, after: BudgetRule, by: str, now: datetime) -> Event:
    """`before` is None of a new one; they are not the same."""
    told = _budget(after)
    if before is not None:
        was = _budget(before)
        told = {name: [was[name], value] for name, value in told.items() if was[name] != value}
    return Event(after.tenant, now, by, AuditAction.BUDGET_SET, f"budget:{after.name}", told)


def budget_removed(rule: BudgetRule, by: str, now: datetime) -> Event:
    return Event(rule.tenant, now, by, AuditAction.BUDGET_REMOVED, f"budget:{rule.name}", _budget(rule))


def _budget(rule: BudgetRule) -> dict[str, JsonValue]:
    """What of it can change."""
    return {
        "dollars": f"{dollars(rule.limit).normalize():f}",
        "hard": rule.hard,
        "alerts": list(rule.alerts),
        "time_zone": rule.time_zone,
    }


def _action(before: Record | None, after: Record, changed: set[str]) -> AuditAction:
    created, otherwise = _OF_KIND[type(after)]
    if before is None:
        return created
    if "revoked_at" in changed:
        return AuditAction.KEY_REVOKED
    if "hash" in changed:
        return AuditAction.KEY_ROTATED
    if "blocked" in changed:
        return AuditAction.BLOCKED if after.blocked else AuditAction.UNBLOCKED
    return AuditAction.LIMITS_CHANGED if "limits" in changed else otherwise


_OF_KIND: Final = {
    TenantRecord: (AuditAction.TENANT_CREATED, AuditAction.TENANT_CHANGED),
    TeamRecord: (AuditAction.TEAM_CREATED, AuditAction.TEAM_CHANGED),
    KeyRecord: (AuditAction.KEY_CREATED, AuditAction.KEY_CHANGED),
}


def _subject(record: Record) -> str:
    match record:
        case TenantRecord():
            return f"tenant:{record.tenant}"
        case TeamRecord():
            return f"team:{record.team}"
        case KeyRecord():
            return f"key:{record.key_id}"


def _plain(value: object) -> JsonValue:
    match value:
        case None | bool() | int() | str():
            return value
        case datetime():
            return value.isoformat()
        case Limits():
            return {name: most for name, most in asdict(value).items() if most is not None}
        case dict():
            return {str(name): _plain(each) for name, each in value.items()}
        case _:
            return [_plain(each) for each in value]  # type: ignore[attr-defined]
