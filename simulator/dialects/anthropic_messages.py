"""Anthropic's Messages API on the wire: `POST /v1/messages`."""

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final

import orjson

from simulator.dialects.anthropic_request import read_message_request
from simulator.dialects.anthropic_voice import AnthropicVoice, error_body
from simulator.dialects.dialect import Headers, Reply, Route, Stamp
from simulator.exchange import Ask, Refusal, Request
from simulator.quota import Headroom, Refused

__all__ = ["AnthropicMessages"]

_JSON: Final[Headers] = (("content-type", "application/json"),)


class AnthropicMessages:
    def serves(self, method: str, path: str) -> Route | None:
        return Route.ANSWER if (method, path) == ("POST", "/v1/messages") else None

    def api_key(self, request: Request) -> str | None:
        scheme, _, token = (request.header(b"authorization") or "").partition(" ")
        return request.header(b"x-api-key") or (token.strip() or None if scheme.lower() == "bearer" else None)

    def understand(self, request: Request) -> Ask:
        return read_message_request(request)

    def voice(self, ask: Ask, stamp: Stamp) -> AnthropicVoice:
        return AnthropicVoice(ask, stamp)

    def refuse(self, refusal: Refusal) -> Reply:
        if refusal.body is not None:
            headers = (("content-type", "text/html; charset=utf-8"), *refusal.headers)
            return Reply(refusal.status, headers, refusal.body.encode())
        return Reply(refusal.status, _JSON + refusal.headers, error_body(refusal))

    def over_quota(self, model: str, refused: Refused) -> Refusal:
        message = f"This request would exceed your organization's rate limit of {refused.limit} {refused.limit_name}"
        retry = math.ceil(refused.retry_seconds) if refused.retry_seconds is not None else None
        headers = (("retry-after", str(retry)),) if retry is not None else ()
        return Refusal(429, f"{message} ({model}).", headers=headers)

    def quota_headers(self, headroom: tuple[Headroom, ...], now: float) -> Headers:
        if not headroom:
            return ()
        answered = datetime.fromtimestamp(math.floor(now), UTC)
        said = [("date", format_datetime(answered, usegmt=True))]
        for room in headroom:
            full = answered + timedelta(seconds=math.ceil(room.reset_seconds))
            name = f"anthropic-ratelimit-{room.kind}"
            said += [
                (f"{name}-limit", str(room.limit)),
                (f"{name}-remaining", str(room.remaining)),
                (f"{name}-reset", full.strftime("%Y-%m-%dT%H:%M:%SZ")),
            ]
        return tuple(said)

    def models(self, names: tuple[str, ...], created: int) -> Reply:
        when = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        data = [{"type": "model", "id": name, "display_name": name, "created_at": when} for name in names]
        return Reply(200, _JSON, orjson.dumps({"data": data, "has_more": False}))
