"""Somebody has done something that must stay known. `sluice.audit.v1`, keyed by tenant; the table has the same."""

from enum import StrEnum
from typing import Final, Literal

from pydantic import AwareDatetime, PositiveInt

from shared.contracts.base import JsonObject, WireModel

__all__ = ["HOUSE", "AuditAction", "AuditEntry"]

HOUSE: Final = "-"
"""The chain of what concerns no tenant, or all of them. No tenant can have this name."""


class AuditAction(StrEnum):
    TENANT_CREATED = "tenant_created"
    TENANT_CHANGED = "tenant_changed"
    TEAM_CREATED = "team_created"
    TEAM_CHANGED = "team_changed"
    KEY_CREATED = "key_created"
    KEY_CHANGED = "key_changed"
    KEY_ROTATED = "key_rotated"
    KEY_REVOKED = "key_revoked"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    LIMITS_CHANGED = "limits_changed"
    BUDGET_SET = "budget_set"
    BUDGET_REMOVED = "budget_removed"
    REFUSED = "refused"
    """Requests of a key, for one reason, as many as `details.count` in a while."""
    TURNED_AWAY = "turned_away"
    """Requests with a key that is not taken."""
    CONFIG_LOADED = "config_loaded"
    EXPORTED = "exported"


class AuditEntry(WireModel):
    schema_version: Literal[1] = 1
    tenant: str
    seq: PositiveInt
    """Its place in the tenant's chain, from 1."""
    at: AwareDatetime
    actor: str
    """`admin:<name>`, `key:<id>`, `cli:<user>@<host>` or `<service>:<replica>`."""
    action: str
    """An `AuditAction`; in time there may be others."""
    subject: str
    """What it was done to, such as `key:reports-nightly`."""
    details: JsonObject
    previous: str
    """The hash of the entry before; of the first, 64 zeros."""
    hash: str
    """SHA-256 of the one before and of all this says."""
