"""One OpenAI answer as bytes, whole or event by event. An event is made per token, so what repeats is encoded once."""

from base64 import b64encode
from collections.abc import Mapping
from struct import pack
from typing import Final
from zlib import crc32

import orjson

from simulator.answer import Answer, Utterance, gathered
from simulator.dialects.dialect import Headers, Stamp
from simulator.exchange import (
    Ask,
    Broke,
    Declined,
    Ended,
    Event,
    Finished,
    Garbled,
    Opened,
    Refusal,
    Reported,
    Said,
    Thought,
    ToolCalled,
    ToolSaid,
    Usage,
)

__all__ = ["OpenAIVoice", "error_body", "packed"]

_FINGERPRINT: Final = "fp_simulator"
_LIKELY: Final = (" the", " a", " and", ",", ".", " of", " to", " in", " is", " that")


class OpenAIVoice:
    def __init__(self, ask: Ask, stamp: Stamp) -> None:
        self._ask = ask
        self._stamp = stamp
        model = orjson.dumps(stamp.model).decode()
        tier = orjson.dumps(ask.tier or "default").decode()
        self._before_object = f'{{"id":"chatcmpl-{stamp.call_id}","object":"'.encode()
        self._after_object = (
            f'","created":{stamp.created},"model":{model},"service_tier":{tier},"system_fingerprint":"{_FINGERPRINT}"'
        ).encode()
        self._head = b"data: " + self._before_object + b"chat.completion.chunk" + self._after_object + b',"choices":['
        self._tail = b'],"usage":null}\n\n' if ask.usage else b"]}\n\n"
        self._before_text = [self._head + b'{"index":%d,"delta":{"content":' % choice for choice in range(ask.choices)]
        self._plain = ask.top_logprobs is None
        self._after_text = b'},"logprobs":null,"finish_reason":null}' + self._tail

    @property
    def stream_headers(self) -> Headers:
        return (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))

    @property
    def whole_headers(self) -> Headers:
        return (("content-type", "application/json"),)

    def say(self, event: Event) -> bytes:
        if type(event) is Said and self._plain:
            return b"%b%b%b" % (self._before_text[event.choice], orjson.dumps(event.text), self._after_text)
        match event:
            case Reported(usage):
                return self._head + b'],"usage":' + orjson.dumps(_usage(usage)) + b"}\n\n"
            case Garbled():
                return self._head + b'{"index":0,"delta":{"content":"half a tok\n\n'
            case Broke(refusal):
                return b"data: " + error_body(refusal) + b"\n\n"
            case Ended():
                return b"data: [DONE]\n\n"
            case _:
                return self._delta(event)

    def whole(self, answer: Answer, usage: Usage | None) -> bytes:
        if answer.vectors:
            return self._embeddings(answer.vectors, usage)
        choices = [
            {
                "index": choice,
                "message": self._message(said),
                "logprobs": self._logprobs(said),
                "finish_reason": _reason(answer.reasons[choice]),
            }
            for choice, said in enumerate(answer.choices)
        ]
        body = self._before_object + b"chat.completion" + self._after_object + b',"choices":' + orjson.dumps(choices)
        return body + (b',"usage":' + orjson.dumps(_usage(usage)) if usage else b"") + b"}"

    def _embeddings(self, vectors: tuple[tuple[float, ...], ...], usage: Usage | None) -> bytes:
        data = [
            {"object": "embedding", "index": index, "embedding": packed(vector) if self._ask.base64 else vector}
            for index, vector in enumerate(vectors)
        ]
        body: dict[str, object] = {"object": "list", "data": data, "model": self._stamp.model}
        if usage is not None:
            body["usage"] = {"prompt_tokens": usage.prompt_tokens, "total_tokens": usage.prompt_tokens}
        return orjson.dumps(body)

    def _delta(self, event: Opened | Utterance | Finished) -> bytes:
        match event:
            case Opened():
                opening = {"role": "assistant", "content": "", "refusal": None}
                return b"".join(self._chunk(choice, opening) for choice in range(self._ask.choices))
            case Said(choice, text):
                return self._chunk(choice, {"content": text}, {"content": [self._logprob(text)], "refusal": None})
            case Finished(choice, reason, usage):
                return self._finishing(choice, reason, usage)
            case _:
                return self._chunk(event.choice, _said(event))

    def _chunk(self, choice: int, delta: Mapping[str, object], logprobs: Mapping[str, object] | None = None) -> bytes:
        body = {"index": choice, "delta": delta, "logprobs": logprobs, "finish_reason": None}
        return self._head + orjson.dumps(body) + self._tail

    def _finishing(self, choice: int, reason: str, usage: Usage | None) -> bytes:
        body = orjson.dumps({"index": choice, "delta": {}, "logprobs": None, "finish_reason": _reason(reason)})
        if usage is None:
            return self._head + body + self._tail
        return self._head + body + b'],"usage":' + orjson.dumps(_usage(usage)) + b"}\n\n"

    def _message(self, said: tuple[Utterance, ...]) -> dict[str, object]:
        spoken = gathered(said)
        message: dict[str, object] = {
            "role": "assistant",
            "content": spoken.text or (None if spoken.calls or spoken.declined else ""),
            "refusal": spoken.declined or None,
            "annotations": [],
        }
        if spoken.thoughts:
            message["reasoning_content"] = spoken.thoughts
        if spoken.calls:
            message["tool_calls"] = [
                {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in spoken.calls
            ]
        return message

    def _logprobs(self, said: tuple[Utterance, ...]) -> dict[str, object] | None:
        if self._ask.top_logprobs is None:
            return None
        spoken = [self._logprob(utterance.text) for utterance in said if isinstance(utterance, Said)]
        return {"content": spoken, "refusal": None}

    def _logprob(self, text: str) -> dict[str, object]:
        chosen = _likelihood(text, crc32(text.encode()) % 1000 / 1000)
        others = [word for word in _LIKELY if word != text]
        runners_up = [
            _likelihood(word, 1.5 + place)
            for place, word in enumerate(others[: max((self._ask.top_logprobs or 0) - 1, 0)])
        ]
        top = [chosen, *runners_up] if self._ask.top_logprobs else []
        return {**chosen, "top_logprobs": top}


def packed(vector: tuple[float, ...]) -> str:
    return b64encode(pack(f"<{len(vector)}f", *vector)).decode()


def _likelihood(text: str, unlikelihood: float) -> dict[str, object]:
    return {"token": text, "logprob": -unlikelihood, "bytes": list(text.encode())}


def _said(event: Thought | Declined | ToolCalled | ToolSaid) -> dict[str, object]:
    match event:
        case Thought(_, text):
            return {"reasoning_content": text}
        case Declined(_, text):
            return {"refusal": text}
        case ToolCalled(_, tool, call_id, name):
            call = {"index": tool, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
            return {"tool_calls": [call]}
        case ToolSaid(_, tool, fragment):
            return {"tool_calls": [{"index": tool, "function": {"arguments": fragment}}]}


def _reason(reason: str) -> str:
    """A model that declines has stopped, for this API."""
    return "stop" if reason == "refusal" else reason


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.prompt_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


_TYPES: Final[dict[int, tuple[str, str | None, str]]] = {
    400: ("invalid_request_error", None, "The request was not understood."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    402: ("insufficient_quota", "insufficient_quota", "This account has no credits left."),
    403: ("permission_error", None, "You are not allowed to use this resource."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."),
    408: ("server_error", None, "The request took too long."),
    413: ("invalid_request_error", "request_too_large", "The request is too large."),
    422: ("invalid_request_error", None, "The request cannot be processed."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached. Please try again later."),
    503: ("server_error", None, "The server is overloaded or not ready yet."),
    529: ("overloaded_error", None, "The server is overloaded."),
}
_SERVER_ERROR: Final = (
    "server_error",
    None,
    "The server had an error while processing your request. Sorry about that!",
)
_CLIENT_ERROR: Final = ("invalid_request_error", None, "The request was refused.")


def error_body(refusal: Refusal) -> bytes:
    kind, code, message = _TYPES.get(refusal.status, _SERVER_ERROR if refusal.status >= 500 else _CLIENT_ERROR)
    error = {
        "message": message if refusal.message is None else refusal.message,
        "type": kind if refusal.type is None else refusal.type,
        "param": refusal.param,
        "code": code if refusal.code is None and refusal.message is None else refusal.code,
    }
    return orjson.dumps({"error": error})
