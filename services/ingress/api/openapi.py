"""The OpenAPI document of an application: with the keys it takes, and without the framework's 422.

Parameters that are wrong get a 400 here.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

__all__ = ["described_by"]


def described_by(app: FastAPI, security: dict[str, Any], prefix: str) -> None:
    """Call it when all routes are there. Those below `prefix` need one of the keys that `security` names."""
    app.openapi = lambda: _document(app, security, prefix)  # type: ignore[method-assign]


def _document(app: FastAPI, security: dict[str, Any], prefix: str) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        document["components"]["securitySchemes"] = security
        for path, operations in document["paths"].items():
            for operation in operations.values():
                if path.startswith(prefix):
                    operation["security"] = [{name: []} for name in security]
                if "HTTPValidationError" in str(operation["responses"].get("422")):
                    del operation["responses"]["422"]
        for name in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(name, None)
        app.openapi_schema = document
    return app.openapi_schema
