"""What the database knows of who may ask, and for how much money: as an administrator and as a door see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from services.ingress.admission import Caller, Limits
from shared.budgets import BudgetRule
from shared.contracts import Lane
from shared.money import Nanodollars

__all__ = ["BudgetRecord", "Change", "Changes", "KeyRecord", "StoredKey", "TeamRecord", "TenantRecord"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantRecord:
    tenant: str
    time_zone: str = "UTC"
    note: str = ""
    blocked: bool = False
    limits: Limits = field(default_factory=Limits)
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamRecord:
    tenant: str
    team: str
    note: str = ""
    blocked: bool = False
    limits: Limits = field(default_factory=Limits)
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    key_id: str
    tenant: str
    team: str | None = None
    hash: str
    previous_hash: str | None = None
    previous_until: datetime | None = None
    models: tuple[str, ...] = ("*",)
    lanes: tuple[Lane, ...] = tuple(Lane)
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    note: str = ""
    blocked: bool = False
    limits: Limits = field(default_factory=Limits)
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRecord:
    """A budget, and how it stands."""

    rule: BudgetRule
    by_file: bool
    """Whether `sluice.yaml` says so; then nobody else can."""
    in_force: bool
    period: str
    """The one that runs."""
    spent: Nanodollars
    held: Nanodollars
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as a door needs it, with what its team and its tenant say of it."""

    caller: Caller
    hash: str
    previous_hash: str | None = None
    previous_until: datetime | None = None
    expires_at: datetime | None = None
    revoked: bool = False
    blocked: bool = False
    """The key, its team or its tenant."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something of a tenant is not as it was: one of its keys, or what concerns several of them."""

    tenant: str
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed since a version that was asked for."""

    version: int
    changes: tuple[Change, ...] = ()
    budgets: frozenset[str] = frozenset()
    """Tenants that have other budgets than then."""
