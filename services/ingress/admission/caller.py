"""Who asks: an API key of a tenant, and what it may do."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.ingress.admission.limits import NO_LIMITS, Limits
from shared.contracts import Lane

__all__ = ["Caller"]


@dataclass(frozen=True, slots=True)
class Caller:
    tenant: str
    key_id: str
    models: frozenset[str]
    """Names; `*` is any."""
    lanes: frozenset[Lane]
    team: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Stand with each of its jobs, whatever the request says."""
    limits: Limits = NO_LIMITS
    team_limits: Limits = NO_LIMITS
    """Of all keys of the team together."""
    tenant_limits: Limits = NO_LIMITS

    def may_ask_for(self, model: str) -> bool:
        return "*" in self.models or model in self.models
