"""`POST /v1/embeddings`, as OpenAI defines it."""

from typing import Final

from fastapi import FastAPI, Request
from starlette.responses import Response

from services.ingress.admission import Departure, Manner
from services.ingress.api.body import whole_body
from services.ingress.api.chat_reply import Call, ChatAnswer, accepted_response
from services.ingress.api.documents import EMBEDDINGS
from services.ingress.api.doors import Doors, trace_of, wishes_of
from services.ingress.api.identity import identify
from services.ingress.api.preferences import read_preference
from shared.contracts import Door, Endpoint, Lane

__all__ = ["embedding_routes"]

_ASKED: Final = Manner(Door.CHAT, Lane.INTERACTIVE, endpoint=Endpoint.EMBEDDINGS)
_PLAIN: Final = Manner(Door.CHAT, Lane.INTERACTIVE, endpoint=Endpoint.EMBEDDINGS, on_disconnect=Departure.CANCEL)


def embedding_routes(app: FastAPI, doors: Doors) -> None:
    @app.post("/v1/embeddings", **EMBEDDINGS)
    async def create_embeddings(request: Request) -> Response:
        caller = await identify(request.headers, doors.callers)
        preference = read_preference(request.headers.getlist("prefer"))
        manner = _PLAIN if preference.wait is None and not preference.respond_async else _ASKED
        async with whole_body(request, doors.body_bytes, doors.large) as raw:
            received = await doors.receive(raw, caller, manner, wishes_of(request.headers))
        if preference.respond_async and not preference.wait:
            await doors.reception.queue(received, trace_of(request.headers))
            return accepted_response(received, {"preference-applied": preference.applied or ""})
        return ChatAnswer(doors, Call(received, trace_of(request.headers)), preference)
