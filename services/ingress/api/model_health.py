"""`GET /v1/health`: which of the models that this key may ask for can be served now."""

from fastapi import FastAPI, Request

from services.ingress.api.documents import HEALTH
from services.ingress.api.doors import Doors
from services.ingress.api.identity import identify
from services.ingress.api.schemas import HealthObject, ModelHealthObject

__all__ = ["model_health_routes"]


def model_health_routes(app: FastAPI, doors: Doors) -> None:
    @app.get("/v1/health", **HEALTH)
    async def health(request: Request) -> HealthObject:
        caller = await identify(request.headers, doors.callers)
        now = doors.clock()
        found = {name: doors.availability.of(name, now) for name in sorted(doors.models) if caller.may_ask_for(name)}
        return HealthObject(
            data=[
                ModelHealthObject(id=name, status=each.status.value, retry_at=each.retry_at)
                for name, each in found.items()
            ]
        )
