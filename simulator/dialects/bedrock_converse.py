"""Amazon Bedrock on the wire: `POST /model/{model}/converse` and `…/converse-stream`."""

import re
from dataclasses import replace
from typing import Final
from urllib.parse import unquote

import orjson

from simulator.dialects.bedrock_request import read_converse_request
from simulator.dialects.bedrock_voice import BedrockVoice, exception_of
from simulator.dialects.dialect import Headers, Reply, Route, Stamp
from simulator.exchange import Ask, Refusal, Request
from simulator.quota import Headroom, Refused

__all__ = ["BedrockConverse"]

_PLACE: Final = re.compile(r"/model/(?P<model>[^/]+)/(?P<method>converse|converse-stream)")
_SIGNED_BY: Final = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/")


class BedrockConverse:
    def serves(self, method: str, path: str) -> Route | None:
        return Route.ANSWER if method == "POST" and _PLACE.fullmatch(path) else None

    def api_key(self, request: Request) -> str | None:
        """Of a signature, the public half of its keys; what it signs is not looked at."""
        said = request.header(b"authorization") or ""
        signed = _SIGNED_BY.match(said)
        scheme, _, token = said.partition(" ")
        return signed[1] if signed else token.strip() or None if scheme.lower() == "bearer" else None

    def understand(self, request: Request) -> Ask:
        found = _PLACE.fullmatch(request.path)
        model, method = (unquote(found["model"]), found["method"]) if found else ("", "")
        return replace(read_converse_request(request.body, model), stream=method == "converse-stream")

    def voice(self, ask: Ask, stamp: Stamp) -> BedrockVoice:
        return BedrockVoice(ask, stamp)

    def refuse(self, refusal: Refusal) -> Reply:
        if refusal.body is not None:
            headers = (("content-type", "text/html; charset=utf-8"), *refusal.headers)
            return Reply(refusal.status, headers, refusal.body.encode())
        if refusal.code == "invalid_api_key":
            words = "The security token included in the request is invalid."
            refusal = replace(refusal, status=403, type="UnrecognizedClientException", message=words)
        name, message = exception_of(refusal)
        headers = (("content-type", "application/json"), ("x-amzn-errortype", f"{name}:"), *refusal.headers)
        return Reply(refusal.status, headers, orjson.dumps({"message": message}))

    def over_quota(self, _model: str, refused: Refused) -> Refusal:
        what = "tokens" if "token" in refused.limit_name.lower() else "requests"
        return Refusal(429, f"Too many {what}, please wait before trying again.")

    def quota_headers(self, _headroom: tuple[Headroom, ...], _now: float) -> Headers:
        """None are sent."""
        return ()

    def models(self, names: tuple[str, ...], _created: int) -> Reply:
        described = [{"modelId": name, "modelName": name, "responseStreamingSupported": True} for name in names]
        headers = (("content-type", "application/json"),)
        return Reply(200, headers, orjson.dumps({"modelSummaries": described}))
