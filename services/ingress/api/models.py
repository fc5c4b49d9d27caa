"""`GET /v1/models`, as OpenAI defines it: what this key may ask for."""

from fastapi import FastAPI, Request

from services.ingress.admission import Refused
from services.ingress.admission.guards.model_known import no_such_model
from services.ingress.api.documents import LIST_MODELS, MODEL
from services.ingress.api.doors import Doors
from services.ingress.api.identity import identify
from services.ingress.api.problems import ProblemError, of_refused
from services.ingress.api.schemas import ModelList, ModelObject
from shared.contracts import Endpoint

__all__ = ["model_routes"]


def model_routes(app: FastAPI, doors: Doors) -> None:
    @app.get("/v1/models", **LIST_MODELS)
    async def list_models(request: Request) -> ModelList:
        caller = await identify(request.headers, doors.callers)
        return ModelList(data=[_shown(doors, name) for name in sorted(doors.models) if caller.may_ask_for(name)])

    # Names hold slashes, as in `meta-llama/Llama-3.1-8B`.
    @app.get("/v1/models/{model:path}", **MODEL)
    async def retrieve_model(request: Request, model: str) -> ModelObject:
        caller = await identify(request.headers, doors.callers)
        if model in doors.models and caller.may_ask_for(model):
            return _shown(doors, model)
        refused: Refused = no_such_model(model)
        raise ProblemError(of_refused(refused))


def _shown(doors: Doors, model: str) -> ModelObject:
    embeds = doors.models[model].embeds
    endpoints = list(Endpoint) if embeds is None else [Endpoint.EMBEDDINGS if embeds else Endpoint.CHAT]
    return ModelObject(id=model, endpoints=endpoints)
