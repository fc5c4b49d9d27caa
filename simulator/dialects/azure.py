"""Azure OpenAI on the wire: OpenAI's words below `/openai/deployments/{name}`, with what the content filter thought."""

from dataclasses import replace
from typing import Final
from urllib.parse import parse_qs, unquote

import orjson

from simulator.answer import Answer
from simulator.dialects.dialect import RefusalError, Reply, Route, Stamp, Voice
from simulator.dialects.openai_chat import OpenAIChat
from simulator.dialects.openai_request import read_chat_request, read_embedding_request
from simulator.dialects.openai_voice import OpenAIVoice
from simulator.exchange import Ask, Event, Opened, Refusal, Request, Usage

__all__ = ["AzureOpenAI"]

_PREFIX: Final = "/openai/deployments/"
_SAFE: Final = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}
_PROMPT: Final = [
    {"prompt_index": 0, "content_filter_results": {**_SAFE, "jailbreak": {"filtered": False, "detected": False}}}
]


class AzureOpenAI(OpenAIChat):
    def serves(self, method: str, path: str) -> Route | None:
        deployment, _, endpoint = path.removeprefix(_PREFIX).partition("/")
        found = path.startswith(_PREFIX) and deployment and endpoint in ("chat/completions", "embeddings")
        return Route.ANSWER if method == "POST" and found else None

    def api_key(self, request: Request) -> str | None:
        return request.header(b"api-key") or super().api_key(request)

    def understand(self, request: Request) -> Ask:
        if not parse_qs(request.query).get("api-version"):
            raise RefusalError(Refusal(404, "Resource not found", code="404"))
        deployment, _, endpoint = request.path.removeprefix(_PREFIX).partition("/")
        if endpoint == "embeddings":
            return replace(read_embedding_request(request.body), model=unquote(deployment))
        return read_chat_request(request.body, unquote(deployment))

    def voice(self, ask: Ask, stamp: Stamp) -> Voice:
        return AzureVoice(ask, stamp)

    def refuse(self, refusal: Refusal) -> Reply:
        if refusal.status == 401 and refusal.body is None:
            message = "Access denied due to invalid subscription key or wrong API endpoint."
            refusal = replace(refusal, message=message, code="401")
        return super().refuse(refusal)


class AzureVoice(OpenAIVoice):
    def say(self, event: Event) -> bytes:
        said = super().say(event)
        if not isinstance(event, Opened):
            return said
        ahead = {
            "id": "",
            "object": "",
            "created": 0,
            "model": "",
            "choices": [],
            "prompt_filter_results": _PROMPT,
        }
        return b"data: " + orjson.dumps(ahead) + b"\n\n" + said

    def whole(self, answer: Answer, usage: Usage | None) -> bytes:
        body = orjson.loads(super().whole(answer, usage))
        if answer.vectors:
            return orjson.dumps(body)
        for choice in body["choices"]:
            choice["content_filter_results"] = _SAFE
        return orjson.dumps({**body, "prompt_filter_results": _PROMPT})
