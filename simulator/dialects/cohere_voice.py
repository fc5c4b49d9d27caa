"""One answer of Cohere as bytes, whole or event by event."""

from collections.abc import Mapping
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

__all__ = ["CohereVoice", "error_body"]

Json = Mapping[str, object]

_OWN_WORDS: Final = 495
"""Tokens that Cohere puts around a prompt. They are counted, but not billed."""


class CohereVoice:
    """A stream is a row of blocks, each of which ends before another begins; tools stay open to the end."""

    def __init__(self, ask: Ask, stamp: Stamp) -> None:
        self._ask = ask
        self._stamp = stamp
        self._blocks = 0
        self._open: dict[str | int, int] = {}
        """`text`, `thinking`, or the number of a tool, and the place of its block."""
        self._ending: tuple[str, str | None] | None = None

    @property
    def stream_headers(self) -> Headers:
        return (("content-type", "text/event-stream"), ("cache-control", "no-cache"))

    @property
    def whole_headers(self) -> Headers:
        return (("content-type", "application/json"),)

    def say(self, event: Event) -> bytes:
        match event:
            case Opened():
                message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
                return _event("message-start", {"id": self._stamp.call_id}, message)
            case Finished() | Reported() | Ended():
                return self._ended(event)
            case Broke(refusal):
                said = orjson.loads(error_body(refusal))["message"]
                return _event("message-end", {"delta": {"finish_reason": "ERROR", "error": said}})
            case Garbled():
                return b'event: content-delta\ndata: {"type":"content-delta","index":0,"del\n\n'
            case _:
                return self._uttered(event)

    def whole(self, answer: Answer, usage: Usage | None) -> bytes:
        if answer.vectors:
            return orjson.dumps(self._embeddings(answer.vectors, usage))
        (said,) = answer.choices
        spoken = gathered(said)
        content = [{"type": "thinking", "thinking": spoken.thoughts}] if spoken.thoughts else []
        if text := spoken.text + spoken.declined:
            content.append({"type": "text", "text": text})
        message: dict[str, object] = {"role": "assistant", "content": content}
        if spoken.calls:
            message["tool_calls"] = [
                {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in spoken.calls
            ]
        reason = _reason(answer.reasons[0], answer.stops[0])
        body: dict[str, object] = {"id": self._stamp.call_id, "finish_reason": reason, "message": message}
        if self._ask.top_logprobs is not None:
            body["logprobs"] = [_likelihood(word.text) for word in said if isinstance(word, Said)]
        return orjson.dumps({**body, "usage": _usage(usage)} if usage else body)

    def _embeddings(self, vectors: tuple[tuple[float, ...], ...], usage: Usage | None) -> Json:
        meta: dict[str, object] = {"api_version": {"version": "2"}}
        if usage is not None:
            meta["billed_units"] = {"input_tokens": usage.prompt_tokens}
        texts = list(self._ask.embeds)
        found: dict[str, object] = {"id": self._stamp.call_id, "texts": texts, "embeddings": {"float": vectors}}
        return {**found, "meta": meta, "response_type": "embeddings_by_type"}

    def _uttered(self, event: Utterance) -> bytes:
        match event:
            case Said(_, text) | Declined(_, text):
                likely = _likelihood(text) if self._ask.top_logprobs is not None else None
                return self._in_block("text", text, likely)
            case Thought(_, text):
                return self._in_block("thinking", text)
            case ToolCalled(_, tool, call_id, name):
                closed = self._closed()
                self._begin(tool)
                call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
                return closed + _event("tool-call-start", {"index": self._open[tool]}, {"tool_calls": call})
            case ToolSaid(_, tool, fragment):
                piece = {"tool_calls": {"function": {"arguments": fragment}}}
                return _event("tool-call-delta", {"index": self._open[tool]}, piece)

    def _in_block(self, kind: str, text: str, likely: Json | None = None) -> bytes:
        said = b""
        if kind not in self._open:
            said = self._closed()
            self._begin(kind)
            said += _event("content-start", {"index": self._open[kind]}, {"content": {"type": kind, kind: ""}})
        beside: dict[str, object] = {"index": self._open[kind]}
        if likely is not None:
            beside["logprobs"] = likely
        return said + _event("content-delta", beside, {"content": {kind: text}})

    def _begin(self, kind: str | int) -> None:
        self._open[kind] = self._blocks
        self._blocks += 1

    def _closed(self, *, everything: bool = False) -> bytes:
        said = b""
        for kind in [kind for kind in self._open if everything or isinstance(kind, str)]:
            index = self._open.pop(kind)
            said += _event("content-end" if isinstance(kind, str) else "tool-call-end", {"index": index})
        return said

    def _ended(self, event: Finished | Reported | Ended) -> bytes:
        """The last event says both why it ended and what was used."""
        if isinstance(event, Finished):
            self._ending = event.reason, event.stopped_by
            return self._closed(everything=True) + (self._end(event.usage) if event.usage else b"")
        usage = event.usage if isinstance(event, Reported) else None
        return (self._end(usage) if self._ending else b"") + (b"data: [DONE]\n\n" if isinstance(event, Ended) else b"")

    def _end(self, usage: Usage | None) -> bytes:
        reason = _reason(*self._ending) if self._ending else None
        self._ending = None
        delta: dict[str, object] = {"finish_reason": reason}
        return _event("message-end", {"delta": {**delta, "usage": _usage(usage)} if usage else delta})


def _reason(reason: str, stopped_by: str | None) -> str:
    if stopped_by:
        return "STOP_SEQUENCE"
    return {"length": "MAX_TOKENS", "tool_calls": "TOOL_CALL"}.get(reason, "COMPLETE")


def _likelihood(text: str) -> Json:
    code = crc32(text.encode())
    return {"text": text, "token_ids": [code % 256_000], "logprobs": [-(code % 1000) / 1000]}


def _usage(usage: Usage) -> Json:
    counted: dict[str, object] = {
        "billed_units": {"input_tokens": usage.prompt_tokens, "output_tokens": usage.output_tokens},
        "tokens": {"input_tokens": usage.prompt_tokens + _OWN_WORDS, "output_tokens": usage.output_tokens},
    }
    return {**counted, "cached_tokens": usage.cached_tokens} if usage.cached_tokens else counted


def _event(name: str, beside: Json, message: Json | None = None) -> bytes:
    body = {"type": name, **beside} if message is None else {"type": name, **beside, "delta": {"message": message}}
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(body))


_MESSAGES: Final[dict[int, str]] = {
    400: "invalid request",
    401: "invalid api token",
    402: "Please add or update your payment method at https://dashboard.cohere.com/billing?tab=payment to continue",
    403: "forbidden",
    404: "model not found, make sure the correct model ID was used and that you have access to the model.",
    429: "Too many requests",
    498: "blocked output: please update your prompt and try again or contact support for help",
    501: "not implemented",
    503: "service unavailable",
}


def error_body(refusal: Refusal) -> bytes:
    words = _MESSAGES.get(refusal.status, "internal server error" if refusal.status >= 500 else _MESSAGES[400])
    return orjson.dumps({"id": "00000000-sim", "message": words if refusal.message is None else refusal.message})
