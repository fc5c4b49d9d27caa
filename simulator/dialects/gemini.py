"""The Gemini API on the wire: `POST /v1beta/models/{model}:generateContent`, its relatives, `GET /v1beta/models`."""

import math
import re
from dataclasses import replace
from typing import ClassVar, Final
from urllib.parse import parse_qs, unquote

import orjson

from simulator.dialects.dialect import Headers, RefusalError, Reply, Route, Stamp
from simulator.dialects.gemini_request import read_content_request, read_texts
from simulator.dialects.gemini_voice import GeminiVoice, error_body
from simulator.exchange import Ask, Refusal, Request
from simulator.quota import Headroom, Refused

__all__ = ["Gemini"]

_JSON: Final[Headers] = (("content-type", "application/json; charset=UTF-8"),)


class Gemini:
    place: ClassVar = re.compile(r"/v1(?:beta|alpha)?/models/(?P<model>[^/:]+):(?P<method>[A-Za-z]+)")
    methods: ClassVar = frozenset({"generateContent", "streamGenerateContent", "batchEmbedContents"})

    def serves(self, method: str, path: str) -> Route | None:
        if (method, path) == ("GET", "/v1beta/models"):
            return Route.MODELS
        found = self.place.fullmatch(path)
        return Route.ANSWER if method == "POST" and found and found["method"] in self.methods else None

    def api_key(self, request: Request) -> str | None:
        scheme, _, token = (request.header(b"authorization") or "").partition(" ")
        key = request.header(b"x-goog-api-key") or "".join(parse_qs(request.query).get("key", ()))
        return key or (token.strip() or None if scheme.lower() == "bearer" else None)

    def understand(self, request: Request) -> Ask:
        found = self.place.fullmatch(request.path)
        model, method = (unquote(found["model"]), found["method"]) if found else ("", "")
        if not method.endswith("enerateContent"):
            return read_texts(request.body, model, method)
        streamed = method == "streamGenerateContent"
        if streamed and parse_qs(request.query).get("alt") != ["sse"]:
            raise RefusalError(Refusal(501, "The simulator streams with `alt=sse` alone."))
        return replace(read_content_request(request.body, model), stream=streamed)

    def voice(self, ask: Ask, stamp: Stamp) -> GeminiVoice:
        return GeminiVoice(ask, stamp)

    def refuse(self, refusal: Refusal) -> Reply:
        headers = tuple((name, value) for name, value in refusal.headers if not name.startswith("retry-after"))
        if refusal.body is not None:
            return Reply(
                refusal.status, (("content-type", "text/html; charset=UTF-8"), *headers), refusal.body.encode()
            )
        status = 400 if refusal.code == "invalid_api_key" else refusal.status
        return Reply(status, _JSON + headers, error_body(refusal))

    def over_quota(self, model: str, refused: Refused) -> Refusal:
        metric = "generativelanguage.googleapis.com/generate_content_paid_tier_requests"
        message = (
            "You exceeded your current quota, please check your plan and billing details.\n"
            f"* Quota exceeded for metric: {metric}, limit: {refused.limit}, model: {model}"
        )
        if refused.retry_seconds is None:
            return Refusal(429, message)
        milliseconds = math.ceil(refused.retry_seconds * 1000)
        message += f"\nPlease retry in {milliseconds / 1000:g}s."
        return Refusal(429, message, headers=(("retry-after-ms", str(milliseconds)),))

    def quota_headers(self, _headroom: tuple[Headroom, ...], _now: float) -> Headers:
        """None are sent: how long to wait stands in a refusal."""
        return ()

    def models(self, names: tuple[str, ...], _created: int) -> Reply:
        described = [
            {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": ["generateContent"]}
            for name in names
        ]
        return Reply(200, _JSON, orjson.dumps({"models": described}))
