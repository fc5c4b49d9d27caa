"""The admin API as one ASGI application: who has no admin key gets no further than this file."""

from typing import Final

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from services.ingress.api import failures
from services.ingress.api.admin.budgets import budget_routes
from services.ingress.api.admin.desk import ADMINISTRATOR, Desk
from services.ingress.api.admin.documents import SECURITY
from services.ingress.api.admin.keys import key_routes
from services.ingress.api.admin.tenants import tenant_routes
from services.ingress.api.identity import key_in
from services.ingress.api.openapi import described_by
from services.ingress.api.problems import Problem, body_too_large, no_key, wrong_key
from shared.config import hash_key

__all__ = ["ADMIN", "create_admin_app"]

ADMIN: Final = "/admin/v1/"
_DOCUMENT: Final = "/admin/v1/openapi.json"
_MOST_BYTES: Final = 65_536


def create_admin_app(desk: Desk, *, version: str) -> ASGIApp:
    app = FastAPI(
        title="Sluice administration",
        version=version,
        description="Tenants, teams, keys and budgets. What is changed here, every door goes by within a second.",
        docs_url=None,
        redoc_url=None,
        openapi_url=_DOCUMENT,
        redirect_slashes=False,
    )
    tenant_routes(app, desk)
    key_routes(app, desk)
    budget_routes(app, desk)
    failures.install(app)
    described_by(app, SECURITY, ADMIN)
    return _Guarded(app, desk)


class _Guarded:
    def __init__(self, app: ASGIApp, desk: Desk) -> None:
        self._app = app
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = None if scope["path"] == _DOCUMENT else self._refused(scope)
        await (self._app if problem is None else problem.response())(scope, receive, send)

    def _refused(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        key = key_in(headers)
        if not key:
            return no_key()
        name = self._desk.administrators.of_hash(hash_key(key))
        if name is None:
            return wrong_key()
        scope[ADMINISTRATOR] = name
        length = headers.get("content-length", "0")
        fits = length.isdecimal() and int(length) <= _MOST_BYTES and "transfer-encoding" not in headers
        return None if fits else body_too_large(_MOST_BYTES)
