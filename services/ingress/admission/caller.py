"""Who asks: an API key of a tenant, and what it may do."""

from dataclasses import dataclass

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

    def may_ask_for(self, model: str) -> bool:
        return "*" in self.models or model in self.models
