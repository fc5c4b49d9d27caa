"""OpenAI on the wire: `POST /v1/chat/completions`, `POST /v1/embeddings` and `GET /v1/models`."""

import math
from typing import Final

import orjson

from simulator.dialects.dialect import Headers, Reply, Route, Stamp, Voice
from simulator.dialects.openai_request import read_chat_request, read_embedding_request
from simulator.dialects.openai_voice import OpenAIVoice, error_body
from simulator.exchange import Ask, Refusal, Request
from simulator.quota import Headroom, Refused

__all__ = ["OpenAIChat"]

_JSON: Final[Headers] = (("content-type", "application/json"),)


class OpenAIChat:
    def serves(self, method: str, path: str) -> Route | None:
        match method, path:
            case "POST", "/v1/chat/completions" | "/v1/embeddings":
                return Route.ANSWER
            case "GET", "/v1/models":
                return Route.MODELS
            case _:
                return None

    def api_key(self, request: Request) -> str | None:
        scheme, _, key = (request.header(b"authorization") or "").partition(" ")
        return key.strip() or None if scheme.lower() == "bearer" else None

    def understand(self, request: Request) -> Ask:
        if request.path.endswith("/embeddings"):
            return read_embedding_request(request.body)
        return read_chat_request(request.body)

    def voice(self, ask: Ask, stamp: Stamp) -> Voice:
        return OpenAIVoice(ask, stamp)

    def refuse(self, refusal: Refusal) -> Reply:
        if refusal.body is not None:
            headers = (("content-type", "text/html; charset=utf-8"), *refusal.headers)
            return Reply(refusal.status, headers, refusal.body.encode())
        return Reply(refusal.status, _JSON + refusal.headers, error_body(refusal))

    def over_quota(self, model: str, refused: Refused) -> Refusal:
        where = f"for {model} in organization org-simulated on {refused.limit_name}"
        if refused.retry_seconds is None:
            message = f"Request too large {where}: Limit {refused.limit}, Requested {refused.requested}."
            return Refusal(429, message, type=refused.kind, code="rate_limit_exceeded")
        milliseconds = math.ceil(refused.retry_seconds * 1000)
        numbers = f"Limit {refused.limit}, Used {refused.used}, Requested {refused.requested}"
        return Refusal(
            429,
            f"Rate limit reached {where}: {numbers}. Please try again in {_duration(refused.retry_seconds)}.",
            type=refused.kind,
            code="rate_limit_exceeded",
            headers=(("retry-after", str(math.ceil(milliseconds / 1000))), ("retry-after-ms", str(milliseconds))),
        )

    def quota_headers(self, headroom: tuple[Headroom, ...], _now: float) -> Headers:
        return tuple(
            (f"x-ratelimit-{name}-{room.kind}", value)
            for room in headroom
            for name, value in (
                ("limit", str(room.limit)),
                ("remaining", str(room.remaining)),
                ("reset", _duration(room.reset_seconds)),
            )
        )

    def models(self, names: tuple[str, ...], created: int) -> Reply:
        data = [{"id": name, "object": "model", "created": created, "owned_by": "simulator"} for name in names]
        return Reply(200, _JSON, orjson.dumps({"object": "list", "data": data}))


def _duration(seconds: float) -> str:
    """As OpenAI writes it: `12ms`, `1s`, `6m0s`, `1h2m3s`."""
    milliseconds = math.ceil(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds_text = f"{rest / 1000:g}s"
    if hours:
        return f"{hours}h{minutes}m{seconds_text}"
    return f"{minutes}m{seconds_text}" if minutes else seconds_text
