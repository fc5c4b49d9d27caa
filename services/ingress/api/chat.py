"""`POST /v1/chat/completions`, as OpenAI defines it."""

from dataclasses import replace
from typing import Final

from fastapi import FastAPI, Request
from starlette.responses import Response

from services.ingress.admission import Departure, Manner
from services.ingress.api.body import whole_body
from services.ingress.api.chat_reply import Call, ChatAnswer, ChatStream, accepted_response
from services.ingress.api.documents import CHAT
from services.ingress.api.doors import Doors, trace_of, wishes_of
from services.ingress.api.identity import identify
from services.ingress.api.preferences import read_preference
from shared.contracts import Door, Endpoint, Interruption, Lane

__all__ = ["chat_routes"]

_ASKED: Final = Manner(Door.CHAT, Lane.INTERACTIVE, endpoint=Endpoint.CHAT)
_AWAITED: Final = replace(_ASKED, stream_on_interrupt=Interruption.FAIL)
"""A plain chat client cannot take back what it showed, so its stream fails rather than begins again."""
_PLAIN: Final = replace(_AWAITED, on_disconnect=Departure.CANCEL)
"""It cannot come back to the job either."""


def chat_routes(app: FastAPI, doors: Doors) -> None:
    @app.post("/v1/chat/completions", **CHAT)
    async def create_chat_completion(request: Request) -> Response:
        caller = await identify(request.headers, doors.callers)
        preference = read_preference(request.headers.getlist("prefer"))
        manner = _ASKED if preference.respond_async else _PLAIN if preference.wait is None else _AWAITED
        async with whole_body(request, doors.body_bytes, doors.large) as raw:
            received = await doors.receive(raw, caller, manner, wishes_of(request.headers))
        if preference.respond_async and (received.streamed or not preference.wait):
            await doors.reception.queue(received, trace_of(request.headers))
            return accepted_response(received, {"preference-applied": preference.applied or ""})
        call = Call(received, trace_of(request.headers))
        return ChatStream(doors, call) if received.streamed else ChatAnswer(doors, call, preference)
