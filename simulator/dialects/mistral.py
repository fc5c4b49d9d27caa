"""Mistral on the wire, below `/mistral`: `POST /v1/chat/completions`, `POST /v1/embeddings` and `GET /v1/models`.

OpenAI's words with a grammar of its own (docs.mistral.ai/api, and the types of the `mistralai` package): a field that
it does not know is a 422, tool calls come whole, thoughts stand in the content, usage in the last chunk.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from simulator.dialects.dialect import Headers, RefusalError, Reply, Route, Stamp, Voice
from simulator.dialects.mistral_voice import MistralVoice, error_body
from simulator.dialects.openai_chat import OpenAIChat
from simulator.dialects.openai_request import read_chat_request, read_embedding_request
from simulator.exchange import Ask, Refusal, Request
from simulator.quota import Headroom, Refused

__all__ = ["Mistral"]

_PREFIX: Final = "/mistral"
_JSON: Final[Headers] = (("content-type", "application/json"),)

_CHAT: Final = frozenset(
    {
        *("model", "messages", "temperature", "top_p", "max_tokens", "stream", "stop", "random_seed", "metadata"),
        *("response_format", "tools", "tool_choice", "presence_penalty", "frequency_penalty", "min_tokens", "n"),
        *("repetition_penalty", "top_k", "logprobs", "top_logprobs", "prompt_logprobs", "top_prompt_logprobs"),
        *("prediction", "parallel_tool_calls", "reasoning_effort", "prompt_mode", "guardrails", "prompt_cache_key"),
        *("service_tier", "safe_prompt"),
    }
)
_EMBEDDINGS: Final = frozenset(["model", "input", "metadata", "output_dimension", "output_dtype", "encoding_format"])
_OF_A_ROLE: Final[Mapping[str, frozenset[str]]] = {
    "system": frozenset({"role", "content"}),
    "user": frozenset({"role", "content"}),
    "assistant": frozenset({"role", "content", "tool_calls", "prefix"}),
    "tool": frozenset({"role", "content", "tool_call_id", "name"}),
}


class Mistral(OpenAIChat):
    def serves(self, method: str, path: str) -> Route | None:
        return super().serves(method, path.removeprefix(_PREFIX)) if path.startswith(_PREFIX) else None

    def understand(self, request: Request) -> Ask:
        body = _object(request.body)
        if request.path.endswith("/embeddings"):
            _nothing_else(body, _EMBEDDINGS)
            return read_embedding_request(orjson.dumps({**body, "dimensions": body.get("output_dimension")}))
        _nothing_else(body, _CHAT)
        _check(body.get("messages") or [])
        ask = read_chat_request(orjson.dumps({**body, **_in_openais_words(body)}))
        return replace(ask, usage_with_finish=True)

    def voice(self, ask: Ask, stamp: Stamp) -> Voice:
        return MistralVoice(ask, stamp)

    def refuse(self, refusal: Refusal) -> Reply:
        if refusal.body is not None:
            return super().refuse(refusal)
        return Reply(refusal.status, _JSON + refusal.headers, error_body(refusal))

    def over_quota(self, model: str, refused: Refused) -> Refusal:
        told = super().over_quota(model, refused)
        return replace(told, message="Rate limit exceeded", type="rate_limited", code="1300")

    def quota_headers(self, headroom: tuple[Headroom, ...], _now: float) -> Headers:
        return tuple(
            (f"x-ratelimit-{name}-{'req' if room.kind == 'requests' else 'tokens'}-minute", str(value))
            for room in headroom
            for name, value in (("limit", room.limit), ("remaining", room.remaining))
        )

    def models(self, names: tuple[str, ...], created: int) -> Reply:
        can = {"completion_chat": True, "function_calling": True, "completion_fim": False, "fine_tuning": False}
        data = [
            {
                "id": name,
                "object": "model",
                "created": created,
                "owned_by": "mistralai",
                "type": "base",
                "capabilities": can,
            }
            for name in names
        ]
        return Reply(200, _JSON, orjson.dumps({"object": "list", "data": data}))


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise RefusalError(Refusal(422, "Input should be a valid dictionary"))
    return body


def _nothing_else(body: Mapping[str, Any], known: Collection[str], *place: object) -> None:
    for name in body:
        if name not in known:
            where = ".".join(map(str, ("body", *place, name)))
            raise RefusalError(Refusal(422, f"{where}: Extra inputs are not permitted", param=name))


def _check(messages: list[Any]) -> None:
    for index, message in enumerate(messages):
        known = _OF_A_ROLE.get(str(message.get("role")))
        if known is None:
            raise RefusalError(
                Refusal(422, f"body.messages.{index}: Input tag does not match any of the expected tags")
            )
        _nothing_else(message, known, "messages", index)
        for call in message.get("tool_calls") or ():
            if len(call["id"]) != 9 or not call["id"].isalnum():
                raise RefusalError(Refusal(400, f"Tool call id was {call['id']} but must be a-z, A-Z, 0-9, length 9."))
    last = messages[-1] if messages else {}
    if last.get("role") == "assistant" and not last.get("prefix"):
        message = "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant"
        raise RefusalError(Refusal(400, message, type="invalid_request_message_order", code="3230"))


def _in_openais_words(body: Mapping[str, Any]) -> dict[str, Any]:
    choice = body.get("tool_choice")
    return {
        "seed": body.get("random_seed"),
        "tool_choice": "required" if choice == "any" else choice,
        "messages": [_turned(message) for message in body.get("messages") or []],
    }


def _turned(message: Mapping[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if not isinstance(content, list):
        return dict(message)
    parts = [
        {**part, "image_url": {"url": part["image_url"]}} if isinstance(part.get("image_url"), str) else part
        for part in content
        if part.get("type") != "thinking"
    ]
    return {**message, "content": parts}
