"""Whose key is this? The callers of the configuration, by the public id that every key carries."""

from collections.abc import Mapping

from services.ingress.admission import Caller
from shared.config import key_matches, public_id
from shared.config.schema import Caller as CallerSection
from shared.config.schema import Tenant

__all__ = ["Callers"]

_NOBODY = "sha256:" + "0" * 64
"""Compared with when the id is unknown, so that the time of a refusal does not tell which ids exist."""


class Callers:
    def __init__(self, tenants: Mapping[str, Tenant]) -> None:
        self._known = {
            key_id: (_caller(tenant, key_id, section), section.hash)
            for tenant, keys in tenants.items()
            for key_id, section in keys.keys.items()
        }

    def of_key(self, key: str) -> Caller | None:
        caller, stored = self._known.get(public_id(key) or "", (None, _NOBODY))
        return caller if key_matches(key, stored) else None

    def named(self, key_id: str) -> Caller:
        """Raises KeyError; the configuration has been checked to name only callers it knows."""
        return self._known[key_id][0]


def _caller(tenant: str, key_id: str, section: CallerSection) -> Caller:
    return Caller(tenant, key_id, frozenset(section.models), frozenset(section.lanes), section.team)
