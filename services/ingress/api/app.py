"""The HTTP door as one ASGI application."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.types import ASGIApp

from services.ingress.api import failures
from services.ingress.api.chat import chat_routes
from services.ingress.api.documents import SECURITY
from services.ingress.api.doors import Doors
from services.ingress.api.edge import Edge
from services.ingress.api.events import event_routes
from services.ingress.api.health import health_routes
from services.ingress.api.jobs import job_routes
from services.ingress.api.models import model_routes

__all__ = ["create_app"]


def create_app(doors: Doors, probes: ASGIApp, *, version: str) -> ASGIApp:
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
    model_routes(app, doors)
    job_routes(app, doors)
    event_routes(app, doors)
    health_routes(app, probes)
    failures.install(app)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return Edge(app, doors.instruments)


def _document(app: FastAPI) -> dict[str, Any]:
    """With the keys it takes, and without the framework's 422: parameters that are wrong get a 400 here."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        document["components"]["securitySchemes"] = SECURITY
        for path, operations in document["paths"].items():
            for operation in operations.values():
                if path.startswith("/v1/"):
                    operation["security"] = [{name: []} for name in SECURITY]
                if "HTTPValidationError" in str(operation["responses"].get("422")):
                    del operation["responses"]["422"]
        for name in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(name, None)
        app.openapi_schema = document
    return app.openapi_schema
