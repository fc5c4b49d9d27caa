"""Cohere on the wire, version 2: `POST /v2/chat` and `POST /v2/embed`."""

from typing import Final

import orjson

from simulator.dialects.cohere_request import read_chat_request, read_embed_request
from simulator.dialects.cohere_voice import CohereVoice, error_body
from simulator.dialects.dialect import Headers, Reply, Route, Stamp
from simulator.exchange import Ask, Refusal, Request
from simulator.quota import Headroom, Refused

__all__ = ["CohereChat"]

_JSON: Final[Headers] = (("content-type", "application/json"),)


class CohereChat:
    def serves(self, method: str, path: str) -> Route | None:
        return Route.ANSWER if method == "POST" and path in ("/v2/chat", "/v2/embed") else None

    def api_key(self, request: Request) -> str | None:
        scheme, _, key = (request.header(b"authorization") or "").partition(" ")
        return key.strip() or None if scheme.lower() == "bearer" else None

    def understand(self, request: Request) -> Ask:
        if request.path.endswith("/embed"):
            return read_embed_request(request.body)
        return read_chat_request(request.body)

    def voice(self, ask: Ask, stamp: Stamp) -> CohereVoice:
        return CohereVoice(ask, stamp)

    def refuse(self, refusal: Refusal) -> Reply:
        if refusal.body is not None:
            headers = (("content-type", "text/html; charset=utf-8"), *refusal.headers)
            return Reply(refusal.status, headers, refusal.body.encode())
        return Reply(refusal.status, _JSON + refusal.headers, error_body(refusal))

    def over_quota(self, _model: str, refused: Refused) -> Refusal:
        limited = f"which is limited to {refused.limit} API calls / minute"
        return Refusal(429, f"You are using a Trial key, {limited}. You can continue to use the Trial key for free.")

    def quota_headers(self, headroom: tuple[Headroom, ...], _now: float) -> Headers:
        """As for a trial key; others are told nothing."""
        calls = [room for room in headroom if room.kind == "requests"]
        return tuple(
            (f"x-trial-endpoint-call-{name}", value)
            for room in calls
            for name, value in (("limit", str(room.limit)), ("remaining", str(room.remaining)))
        )

    def models(self, names: tuple[str, ...], _created: int) -> Reply:
        return Reply(200, _JSON, orjson.dumps({"models": [{"name": name, "endpoints": ["chat"]} for name in names]}))
