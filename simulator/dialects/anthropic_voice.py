"""One answer of the Messages API as bytes, whole or event by event."""

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

__all__ = ["AnthropicVoice", "error_body"]

_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "refusal": "refusal",
}


class AnthropicVoice:
    """A stream is a row of blocks; text and thoughts close before another begins, tools stay open to the end."""

    def __init__(self, ask: Ask, stamp: Stamp) -> None:
        self._ask = ask
        self._stamp = stamp
        self._blocks = 0
        self._open: dict[object, int] = {}
        """`text`, `thinking`, or the number of a tool, and the place of its block."""
        self._thoughts = self._declined = ""
        self._ending: dict[str, object] | None = None

    @property
    def stream_headers(self) -> Headers:
        return (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))

    @property
    def whole_headers(self) -> Headers:
        return (("content-type", "application/json"),)

    def say(self, event: Event) -> bytes:
        match event:
            case Opened() | Finished() | Reported() | Ended():
                return self._around(event)
            case Broke(refusal):
                return b"event: error\ndata: " + error_body(refusal) + b"\n\n"
            case Garbled():
                return b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"del\n\n'
            case _:
                return self._uttered(event)

    def _uttered(self, event: Utterance) -> bytes:
        match event:
            case Said(_, text):
                return self._in_block("text", {"type": "text", "text": ""}, {"type": "text_delta", "text": text})
            case Thought(_, text):
                self._thoughts += text
                block = {"type": "thinking", "thinking": "", "signature": ""}
                return self._in_block("thinking", block, {"type": "thinking_delta", "thinking": text})
            case ToolCalled(_, tool, call_id, name):
                block = {"type": "tool_use", "id": call_id, "name": name}
                return self._closed() + self._begun(tool, {**block, "input": {}})
            case ToolSaid(_, tool, fragment):
                return self._delta(self._open[tool], {"type": "input_json_delta", "partial_json": fragment})
            case Declined(_, text):
                self._declined += text
                return b""

    def whole(self, answer: Answer, usage: Usage | None) -> bytes:
        (said,) = answer.choices
        spoken = gathered(said)
        content: list[dict[str, object]] = []
        if spoken.thoughts:
            proof = _signature(spoken.thoughts)
            content.append({"type": "thinking", "thinking": spoken.thoughts, "signature": proof})
        if spoken.text:
            content.append({"type": "text", "text": spoken.text})
        for call in spoken.calls:
            # Cut at the maximum, it would be no JSON; the API leaves such a call empty.
            given = orjson.loads(call.arguments) if answer.reasons[0] != "length" else {}
            content.append({"type": "tool_use", "id": call.call_id, "name": call.name, "input": given})
        self._declined = spoken.declined
        ending = self._how_it_ended(Finished(0, answer.reasons[0], stopped_by=answer.stops[0]))
        message = {**self._head(), "content": content, **ending}
        return orjson.dumps({**message, "usage": _usage(usage)} if usage else message)

    def _around(self, event: Opened | Finished | Reported | Ended) -> bytes:
        """What is said of the answer rather than in it."""
        match event:
            case Opened():
                message = {**self._head(), "content": [], "stop_reason": None, "stop_sequence": None}
                opening = {"type": "message_start", "message": {**message, "usage": self._first_usage()}}
                return _event(opening) + _event({"type": "ping"})
            case Finished(_, _, usage):
                self._ending = self._how_it_ended(event)
                return self._closed(everything=True) + (self._ended(usage) if usage else b"")
            case Reported(usage):
                return self._ended(usage)
            case Ended():
                return (self._ended(None) if self._ending else b"") + _event({"type": "message_stop"})

    def _head(self) -> dict[str, object]:
        name = f"msg_{self._stamp.call_id}"
        return {"id": name, "type": "message", "role": "assistant", "model": self._stamp.model}

    def _first_usage(self) -> dict[str, object]:
        return {**_usage(Usage(self._ask.prompt_tokens, 0, 1, 0)), "service_tier": "standard"}

    def _in_block(self, kind: str, block: Mapping[str, object], delta: Mapping[str, object]) -> bytes:
        if kind in self._open:
            return self._delta(self._open[kind], delta)
        return self._closed() + self._begun(kind, block) + self._delta(self._open[kind], delta)

    def _begun(self, kind: object, block: Mapping[str, object]) -> bytes:
        self._open[kind] = self._blocks
        self._blocks += 1
        return _event({"type": "content_block_start", "index": self._open[kind], "content_block": block})

    def _delta(self, index: int, delta: Mapping[str, object]) -> bytes:
        return _event({"type": "content_block_delta", "index": index, "delta": delta})

    def _closed(self, *, everything: bool = False) -> bytes:
        said = b""
        for kind in [kind for kind in self._open if everything or isinstance(kind, str)]:
            index = self._open.pop(kind)
            if kind == "thinking":
                said += self._delta(index, {"type": "signature_delta", "signature": _signature(self._thoughts)})
            said += _event({"type": "content_block_stop", "index": index})
        return said

    def _how_it_ended(self, event: Finished) -> dict[str, object]:
        reason = "stop_sequence" if event.stopped_by else _REASONS[event.reason]
        ending: dict[str, object] = {"stop_reason": reason, "stop_sequence": event.stopped_by}
        if reason == "refusal":
            ending["stop_details"] = {"type": "refusal", "category": None, "explanation": self._declined or None}
        return ending

    def _ended(self, usage: Usage | None) -> bytes:
        body: dict[str, object] = {"type": "message_delta", "delta": self._ending, "usage": {"output_tokens": 0}}
        self._ending = None
        if usage is not None:
            body["usage"] = _usage(usage)
        return _event(body)


def _signature(thoughts: str) -> str:
    return f"sig{crc32(thoughts.encode()):08x}=="


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens - usage.written_tokens,
        "cache_creation_input_tokens": usage.written_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }


def _event(body: Mapping[str, object]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (str(body["type"]).encode(), orjson.dumps(body))


_TYPES: Final[dict[int, tuple[str, str]]] = {
    400: ("invalid_request_error", "The request was not understood."),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "There is a problem with your billing or payment information."),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "The requested resource could not be found."),
    408: ("timeout_error", "The request took too long."),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your account's rate limit. Please try again later."),
    503: ("overloaded_error", "Overloaded"),
    529: ("overloaded_error", "Overloaded"),
}


def error_body(refusal: Refusal) -> bytes:
    otherwise = ("api_error", "Internal server error") if refusal.status >= 500 else _TYPES[400]
    kind, message = _TYPES.get(refusal.status, otherwise)
    error = {"type": refusal.type or kind, "message": message if refusal.message is None else refusal.message}
    return orjson.dumps({"type": "error", "error": error, "request_id": "req_simulated"})
