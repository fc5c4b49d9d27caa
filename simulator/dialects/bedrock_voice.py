"""One answer of Bedrock as bytes: a document, or messages with lengths and checksums.

Written by hand, so that the clients' libraries are held to the format and not to themselves:
smithy.io/2.0/aws/amazon-eventstream.html.
"""

import struct
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

__all__ = ["BedrockVoice", "exception_of", "message"]

_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "content_filtered",
    "refusal": "end_turn",
}
_LATENCY_MS: Final = 275


class BedrockVoice:
    """A stream is a row of blocks; text and thoughts close before another begins, tools stay open to the end."""

    def __init__(self, _ask: Ask, _stamp: Stamp) -> None:
        self._blocks = 0
        self._open: dict[object, int] = {}
        """`text`, `thinking`, or the number of a tool, and the place of its block."""
        self._thoughts = ""

    @property
    def stream_headers(self) -> Headers:
        return (("content-type", "application/vnd.amazon.eventstream"),)

    @property
    def whole_headers(self) -> Headers:
        return (("content-type", "application/json"),)

    def say(self, event: Event) -> bytes:
        match event:
            case Opened() | Finished() | Reported() | Ended():
                return self._around(event)
            case Broke(refusal):
                return _exception(refusal)
            case Garbled():
                # Its last byte belongs to the checksum.
                said = _event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "…"}})
                return said[:-1] + bytes([said[-1] ^ 0xFF])
            case _:
                return self._uttered(event)

    def whole(self, answer: Answer, usage: Usage | None) -> bytes:
        (said,) = answer.choices
        spoken = gathered(said)
        content: list[dict[str, object]] = []
        if spoken.thoughts:
            thought = {"text": spoken.thoughts, "signature": _signature(spoken.thoughts)}
            content.append({"reasoningContent": {"reasoningText": thought}})
        if text := spoken.text + spoken.declined:
            content.append({"text": text})
        for call in spoken.calls:
            # Cut at the maximum, it would be no JSON.
            given = orjson.loads(call.arguments) if answer.reasons[0] != "length" else {}
            content.append({"toolUse": {"toolUseId": call.call_id, "name": call.name, "input": given}})
        body: dict[str, object] = {
            "metrics": {"latencyMs": _LATENCY_MS},
            "output": {"message": {"content": content, "role": "assistant"}},
            "stopReason": _reason(Finished(0, answer.reasons[0], stopped_by=answer.stops[0])),
        }
        return orjson.dumps({**body, "usage": _usage(usage)} if usage else body)

    def _uttered(self, event: Utterance) -> bytes:
        match event:
            case Said(_, text) | Declined(_, text):
                return self._in_block("text", {"text": text})
            case Thought(_, text):
                self._thoughts += text
                return self._in_block("thinking", {"reasoningContent": {"text": text}})
            case ToolCalled(_, tool, call_id, name):
                closed = self._closed()
                start = {"toolUse": {"toolUseId": call_id, "name": name}}
                return closed + _event("contentBlockStart", {"contentBlockIndex": self._begun(tool), "start": start})
            case ToolSaid(_, tool, fragment):
                return self._delta(tool, {"toolUse": {"input": fragment}})

    def _around(self, event: Opened | Finished | Reported | Ended) -> bytes:
        """What is said of the answer rather than in it."""
        match event:
            case Opened():
                return _event("messageStart", {"role": "assistant"})
            case Finished(_, _, usage):
                said = self._closed(everything=True) + _event("messageStop", {"stopReason": _reason(event)})
                return said + (_metadata(usage) if usage else b"")
            case Reported(usage):
                return _metadata(usage)
            case Ended():
                return b""

    def _in_block(self, kind: str, delta: Mapping[str, object]) -> bytes:
        """Text and thoughts begin without a word."""
        closed = b""
        if kind not in self._open:
            closed = self._closed()
            self._begun(kind)
        return closed + self._delta(kind, delta)

    def _begun(self, kind: object) -> int:
        self._open[kind] = self._blocks
        self._blocks += 1
        return self._open[kind]

    def _delta(self, kind: object, delta: Mapping[str, object]) -> bytes:
        return _event("contentBlockDelta", {"contentBlockIndex": self._open[kind], "delta": delta})

    def _closed(self, *, everything: bool = False) -> bytes:
        said = b""
        for kind in [kind for kind in self._open if everything or isinstance(kind, str)]:
            if kind == "thinking":
                said += self._delta(kind, {"reasoningContent": {"signature": _signature(self._thoughts)}})
            said += _event("contentBlockStop", {"contentBlockIndex": self._open.pop(kind)})
        return said


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """The two lengths and their checksum, the headers (all of them text), the payload, and the checksum of it all."""
    written = b"".join(
        struct.pack(f"!B{len(name)}sBH", len(name), name.encode(), 7, len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    lengths = struct.pack("!II", 16 + len(written) + len(payload), len(written))
    said = lengths + struct.pack("!I", crc32(lengths)) + written + payload
    return said + struct.pack("!I", crc32(said))


def _event(kind: str, body: Mapping[str, object]) -> bytes:
    # `p` is there to hide how long the text is.
    padded = {**body, "p": "abcdefghijklm"}
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return message(headers, orjson.dumps(padded))


def _exception(refusal: Refusal) -> bytes:
    name, words = exception_of(refusal)
    name = name[0].lower() + name[1:]
    body: dict[str, object] = {"message": words}
    if name not in _IN_STREAMS:
        body |= {"originalStatusCode": refusal.status, "originalMessage": words}
        name = "modelStreamErrorException"
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return message(headers, orjson.dumps(body))


def _metadata(usage: Usage) -> bytes:
    return _event("metadata", {"usage": _usage(usage), "metrics": {"latencyMs": _LATENCY_MS}})


def _reason(event: Finished) -> str:
    return "stop_sequence" if event.stopped_by else _REASONS[event.reason]


def _signature(thoughts: str) -> str:
    return f"sig{crc32(thoughts.encode()):08x}=="


def _usage(usage: Usage) -> dict[str, object]:
    beside = usage.cached_tokens + usage.written_tokens
    return {
        "inputTokens": usage.prompt_tokens - beside,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.prompt_tokens + usage.output_tokens,
        "cacheReadInputTokens": usage.cached_tokens,
        "cacheWriteInputTokens": usage.written_tokens,
    }


_IN_STREAMS: Final = frozenset(
    {"internalServerException", "serviceUnavailableException", "throttlingException", "validationException"}
)

_EXCEPTIONS: Final[dict[int, tuple[str, str]]] = {
    400: ("ValidationException", "The input fails to satisfy the constraints specified by Amazon Bedrock."),
    401: ("UnrecognizedClientException", "The security token included in the request is invalid."),
    403: ("AccessDeniedException", "You don't have access to the model with the specified model ID."),
    404: ("ResourceNotFoundException", "The specified resource ARN was not found."),
    408: ("ModelTimeoutException", "The request took too long to process."),
    413: ("ValidationException", "The request is larger than anybody may send."),
    424: ("ModelErrorException", "The request failed due to an error while processing the model."),
    429: ("ThrottlingException", "Too many requests, please wait before trying again."),
    500: ("InternalServerException", "The system encountered an unexpected error during processing. Try again."),
    503: ("ServiceUnavailableException", "Bedrock is unable to process your request."),
}


def exception_of(refusal: Refusal) -> tuple[str, str]:
    """Its name, and what it says."""
    name, words = _EXCEPTIONS.get(refusal.status, _EXCEPTIONS[500 if refusal.status >= 500 else 400])
    return refusal.type or name, words if refusal.message is None else refusal.message
