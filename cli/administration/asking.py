"""How do commands ask the admin API of the gateway?"""

import time
from collections.abc import Iterator
from typing import TypeVar
from urllib.parse import quote

import orjson
from pydantic import BaseModel

from cli.environment import Environment, Known
from cli.gateway import Gateway, parsed
from services.ingress.api.admin.budget_schemas import BudgetObject
from services.ingress.api.admin.schemas import (
    KeyList,
    KeyMade,
    KeyObject,
    TeamList,
    TeamObject,
    TenantList,
    TenantObject,
)
from shared.contracts import JsonObject
from shared.errors import OperatorError

__all__ = ["Administration"]

_PAGE = 500
_IN_FORCE_SECONDS = 2.0
_LOOK_SECONDS = 0.1

Given = TypeVar("Given", bound=BaseModel)


class Administration(Gateway):
    """As `Gateway`, with an admin key."""

    def __init__(self, environment: Environment, key: str | None) -> None:
        found = Known(key, "--admin-key") if key else environment.admin_key
        if found is None:
            raise OperatorError(
                "No admin key is known: set SLUICE_ADMIN_KEY, or pass one with --admin-key. `sluice keys new NAME "
                "--admin` makes one for sluice.yaml; a stack without a sluice.yaml has one of its own."
            )
        super().__init__(environment, found)

    def tenants(self) -> Iterator[TenantObject]:
        after = ""
        while True:
            page = parsed(TenantList, self._ask("GET", "/admin/v1/tenants", params=_page(after)))
            yield from page.data
            if not page.has_more:
                return
            after = page.data[-1].tenant

    def teams(self, tenant: str) -> Iterator[TeamObject]:
        after = ""
        while True:
            page = parsed(TeamList, self._ask("GET", f"/admin/v1/tenants/{tenant}/teams", params=_page(after)))
            yield from page.data
            if not page.has_more:
                return
            after = page.data[-1].team

    def keys(self, tenant: str | None) -> Iterator[KeyObject]:
        after = ""
        while True:
            params = _page(after) | ({"tenant": tenant} if tenant else {})
            page = parsed(KeyList, self._ask("GET", "/admin/v1/keys", params=params))
            yield from page.data
            if not page.has_more:
                return
            after = page.data[-1].id

    def tenant(self, tenant: str) -> TenantObject:
        return parsed(TenantObject, self._ask("GET", f"/admin/v1/tenants/{tenant}"))

    def team(self, tenant: str, team: str) -> TeamObject:
        return parsed(TeamObject, self._ask("GET", f"/admin/v1/tenants/{tenant}/teams/{team}"))

    def api_key(self, key_id: str) -> KeyObject:
        return parsed(KeyObject, self._ask("GET", f"/admin/v1/keys/{key_id}"))

    def create_tenant(self, asked: JsonObject) -> TenantObject:
        return self._send(TenantObject, "POST", "/admin/v1/tenants", asked)

    def change_tenant(self, tenant: str, asked: JsonObject) -> TenantObject:
        return self._send(TenantObject, "PATCH", f"/admin/v1/tenants/{tenant}", asked)

    def create_team(self, tenant: str, asked: JsonObject) -> TeamObject:
        return self._send(TeamObject, "POST", f"/admin/v1/tenants/{tenant}/teams", asked)

    def change_team(self, tenant: str, team: str, asked: JsonObject) -> TeamObject:
        return self._send(TeamObject, "PATCH", f"/admin/v1/tenants/{tenant}/teams/{team}", asked)

    def create_key(self, asked: JsonObject) -> KeyMade:
        return self._send(KeyMade, "POST", "/admin/v1/keys", asked)

    def change_key(self, key_id: str, asked: JsonObject) -> KeyObject:
        return self._send(KeyObject, "PATCH", f"/admin/v1/keys/{key_id}", asked)

    def rotate_key(self, key_id: str, overlap_seconds: int) -> KeyMade:
        return self._send(KeyMade, "POST", f"/admin/v1/keys/{key_id}/rotate", {"overlap_seconds": overlap_seconds})

    def revoke_key(self, key_id: str) -> KeyObject:
        return parsed(KeyObject, self._ask("POST", f"/admin/v1/keys/{key_id}/revoke"))

    def set_budget(self, tenant: str, name: str, asked: JsonObject) -> BudgetObject:
        """Waits a little until it is in force, which it may not be."""
        budget = self._send(BudgetObject, "PUT", _budget(tenant, name), asked)
        waits_until = time.monotonic() + _IN_FORCE_SECONDS
        while not budget.in_force and time.monotonic() < waits_until:
            time.sleep(_LOOK_SECONDS)
            budget = parsed(BudgetObject, self._ask("GET", _budget(tenant, name)))
        return budget

    def remove_budget(self, tenant: str, name: str) -> None:
        self._ask("DELETE", _budget(tenant, name))

    def _send(self, given: type[Given], method: str, path: str, asked: JsonObject) -> Given:
        headers = {"content-type": "application/json"}
        return parsed(given, self._ask(method, path, content=orjson.dumps(asked), headers=headers))


def _budget(tenant: str, name: str) -> str:
    return f"/admin/v1/tenants/{tenant}/budgets/{quote(name, safe='')}"


def _page(after: str) -> dict[str, str]:
    return {"limit": str(_PAGE), "after": after}
