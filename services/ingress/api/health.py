"""The probes that every process has, among the routes so that the OpenAPI document shows them. No key is asked for."""

from typing import Any, Final

from fastapi import FastAPI
from starlette.responses import Response
from starlette.types import ASGIApp

from services.ingress.api.reply import Exchange, Reply

__all__ = ["health_routes"]

_OBJECT: Final[dict[str, Any]] = {"content": {"application/json": {"schema": {"type": "object"}}}}


def health_routes(app: FastAPI, probes: ASGIApp) -> None:
    @app.get(
        "/livez",
        tags=["Operation"],
        operation_id="livez",
        responses={200: {"description": "It makes progress."} | _OBJECT},
    )
    async def livez() -> Response:
        return Delegated(probes)

    @app.get(
        "/readyz",
        tags=["Operation"],
        operation_id="readyz",
        responses={
            200: {"description": "Every server it needs answers."} | _OBJECT,
            503: {"description": "Names what is missing, and why."} | _OBJECT,
        },
    )
    async def readyz() -> Response:
        return Delegated(probes)

    @app.get(
        "/metrics",
        tags=["Operation"],
        operation_id="metrics",
        response_class=Response,
        responses={200: {"description": "For Prometheus.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
    )
    async def metrics() -> Response:
        return Delegated(probes)


class Delegated(Reply):
    def __init__(self, app: ASGIApp) -> None:
        super().__init__()
        self._app = app

    async def answer(self, exchange: Exchange) -> None:
        await exchange.respond(self._app)
