"""The HTTP doors as one ASGI application: that of callers, and behind a path of its own that of administrators."""

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from services.ingress.api import failures
from services.ingress.api.admin.app import ADMIN, create_admin_app
from services.ingress.api.admin.desk import Desk
from services.ingress.api.chat import chat_routes
from services.ingress.api.documents import SECURITY
from services.ingress.api.doors import Doors
from services.ingress.api.edge import Edge
from services.ingress.api.embeddings import embedding_routes
from services.ingress.api.events import event_routes
from services.ingress.api.health import health_routes
from services.ingress.api.jobs import job_routes
from services.ingress.api.model_health import model_health_routes
from services.ingress.api.models import model_routes
from services.ingress.api.openapi import described_by

__all__ = ["create_app"]


def create_app(doors: Doors, desk: Desk, probes: ASGIApp, *, version: str) -> ASGIApp:
    app = FastAPI(
        title="Sluice",
        version=version,
        description="A durable LLM gateway. What it accepts ends exactly once, whatever dies meanwhile.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    # Onto the application itself, not routers of their own: a path's methods are then known in one place.
    chat_routes(app, doors)
    embedding_routes(app, doors)
    model_routes(app, doors)
    model_health_routes(app, doors)
    job_routes(app, doors)
    event_routes(app, doors)
    health_routes(app, probes)
    failures.install(app)
    described_by(app, SECURITY, "/v1/")
    return Edge(_Parted(app, create_admin_app(desk, version=version)), doors.instruments)


class _Parted:
    """Not a mounted application: that would hide the paths of its routes from metrics and documents."""

    def __init__(self, callers: ASGIApp, administrators: ASGIApp) -> None:
        self._callers = callers
        self._administrators = administrators

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_admin = scope["type"] == "http" and scope["path"].startswith(ADMIN)
        await (self._administrators if is_admin else self._callers)(scope, receive, send)
