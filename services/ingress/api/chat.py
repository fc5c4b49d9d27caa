"""`POST /v1/chat/completions`, as OpenAI defines it."""

from typing import Final

from fastapi import FastAPI, Request
from starlette.responses import Response

from services.ingress.admission import Manner
from services.ingress.api.body import whole_body
from services.ingress.api.chat_reply import Call, ChatAnswer, ChatStream, accepted_response
from services.ingress.api.documents import CHAT
from services.ingress.api.doors import Doors, trace_of, wishes_of
from services.ingress.api.identity import identify
from services.ingress.api.preferences import read_preference
from services.ingress.api.reply import JOB_ID
from shared.contracts import Door, Interruption, Lane

__all__ = ["chat_routes"]

_ASKED_AND_AWAITED: Final = Manner(Door.CHAT, Lane.INTERACTIVE, stream_on_interrupt=Interruption.FAIL)
"""A plain chat client cannot take back what it showed, so its stream fails rather than begins again."""
_ASKED: Final = Manner(Door.CHAT, Lane.INTERACTIVE)


def chat_routes(app: FastAPI, doors: Doors) -> None:
    @app.post("/v1/chat/completions", **CHAT)
    async def create_chat_completion(request: Request) -> Response:
        caller = identify(request.headers, doors.callers)
        preference = read_preference(request.headers.getlist("prefer"))
        manner = _ASKED if preference.respond_async else _ASKED_AND_AWAITED
        async with whole_body(request, doors.body_bytes, doors.large) as raw:
            job = await doors.admit(raw, caller, manner, wishes_of(request.headers))
        if preference.respond_async and (job.streamed or not preference.wait):
            await doors.submissions.accept_or_withdraw(job, trace_of(request.headers))
            return accepted_response(job, {JOB_ID: job.id, "preference-applied": preference.applied or ""})
        goes_on = request.headers.get("x-sluice-on-disconnect", "").strip().lower() == "continue"
        if job.streamed:
            return ChatStream(doors, Call(job, trace_of(request.headers), goes_on))
        call = Call(job, trace_of(request.headers), goes_on or preference.wait is not None)
        return ChatAnswer(doors, call, preference)
