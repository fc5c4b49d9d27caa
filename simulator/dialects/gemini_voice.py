"""One answer of the Gemini API as bytes, whole or chunk by chunk."""

from base64 import b64encode
from collections.abc import Mapping
from typing import Final
from zlib import crc32

import orjson

from simulator.answer import Answer, Utterance, gathered
from simulator.conversation import ToolUse
from simulator.dialects.dialect import Headers, Stamp
from simulator.dialects.gemini_request import signs
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

__all__ = ["GeminiVoice", "error_body"]

Json = dict[str, object]

_REASONS: Final = {"stop": "STOP", "tool_calls": "STOP", "refusal": "STOP", "length": "MAX_TOKENS"}
_LIKELY: Final = (" the", " a", " and", ",", ".", " of", " to", " in", " is", " that")


class GeminiVoice:
    """Calls are told when they are complete; the last chunk says why each candidate ended, and what was used."""

    def __init__(self, ask: Ask, stamp: Stamp) -> None:
        self._ask = ask
        self._stamp = stamp
        self._calls: dict[tuple[int, int], ToolUse] = {}
        self._endings: dict[int, str] = {}
        self._thoughts = ""
        self._thought = self._spoken = 0
        """Tokens so far."""

    @property
    def stream_headers(self) -> Headers:
        return (("content-type", "text/event-stream"),)

    @property
    def whole_headers(self) -> Headers:
        return (("content-type", "application/json; charset=UTF-8"),)

    def say(self, event: Event) -> bytes:
        match event:
            case Opened():
                return b""
            case Finished() | Reported() | Ended():
                return self._ending(event)
            case Broke(refusal):
                return b"data: " + error_body(refusal) + b"\r\n\r\n"
            case Garbled():
                return b'data: {"candidates": [{"content": {"parts": [{"te\r\n\r\n'
            case _:
                return self._uttered(event)

    def whole(self, answer: Answer, usage: Usage | None) -> bytes:
        if answer.vectors:
            return orjson.dumps(self.embeddings(answer.vectors, usage))
        candidates = [
            self._candidate(choice, self._parts(said, answer.reasons[choice]), answer.reasons[choice], said)
            for choice, said in enumerate(answer.choices)
        ]
        return orjson.dumps(self._body(candidates, self.used(usage) if usage else None))

    def embeddings(self, vectors: tuple[tuple[float, ...], ...], usage: Usage | None) -> Json:
        body: Json = {"embeddings": [{"values": vector} for vector in vectors]}
        return {**body, "usageMetadata": {"promptTokenCount": usage.prompt_tokens}} if usage else body

    def used(self, usage: Usage) -> Json:
        return _usage(usage)

    def used_so_far(self) -> Json:
        return _usage(Usage(self._ask.prompt_tokens, 0, self._spoken + self._thought, self._thought))

    def _ending(self, event: Finished | Reported | Ended) -> bytes:
        if isinstance(event, Finished):
            self._endings[event.choice] = event.reason
        usage = None if isinstance(event, Ended) else event.usage
        return self._ended(usage) if self._endings and (usage or isinstance(event, Ended)) else b""

    def _uttered(self, event: Utterance) -> bytes:
        match event:
            case ToolCalled(choice, tool, call_id, name):
                self._calls[choice, tool] = ToolUse(call_id, name, "")
                return b""
            case ToolSaid(choice, tool, fragment):
                known = self._calls[choice, tool]
                self._calls[choice, tool] = known._replace(arguments=known.arguments + fragment)
                self._spoken += 1
                return b""
            case Thought(choice, text):
                self._thoughts += text
                self._thought += 1
                return self._chunk(self._candidate(choice, [{"text": text, "thought": True}]))
            case Said(choice, text) | Declined(choice, text):
                self._spoken += 1
                return self._chunk(self._candidate(choice, [{"text": text}], said=(event,)))

    def _chunk(self, candidate: Json) -> bytes:
        return _event(self._body([candidate], self.used_so_far()))

    def _ended(self, usage: Usage | None) -> bytes:
        candidates = [
            self._candidate(choice, self._last_parts(choice, reason), reason)
            for choice, reason in self._endings.items()
        ]
        self._endings.clear()
        return _event(self._body(candidates, self.used(usage) if usage else None))

    def _last_parts(self, choice: int, reason: str) -> list[Json]:
        calls = [call for (of, _), call in self._calls.items() if of == choice]
        proof = self._proof(self._thoughts)
        return _called(calls, reason, proof) or [_signed({"text": ""}, proof)]

    def _parts(self, said: tuple[Utterance, ...], reason: str) -> list[Json]:
        spoken = gathered(said)
        parts: list[Json] = [{"text": spoken.thoughts, "thought": True}] if spoken.thoughts else []
        proof = self._proof(spoken.thoughts)
        calls = _called(list(spoken.calls), reason, proof)
        if text := spoken.text + spoken.declined:
            parts.append({"text": text} if calls else _signed({"text": text}, proof))
        return parts + calls

    def _proof(self, thoughts: str) -> str:
        """Models that want signatures back give them for thoughts that nobody sees, too."""
        return thoughts or ("unseen" if signs(self._stamp.model) else "")

    def _candidate(
        self, choice: int, parts: list[Json], reason: str | None = None, said: tuple[Utterance, ...] = ()
    ) -> Json:
        candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": choice}
        if reason is not None:
            candidate["finishReason"] = _REASONS.get(reason, "SAFETY")
        words = [utterance.text for utterance in said if isinstance(utterance, Said)]
        if self._ask.top_logprobs is not None and words:
            candidate["logprobsResult"] = self._logprobs(words)
        return candidate

    def _body(self, candidates: list[Json], usage: Json | None) -> Json:
        body: Json = {"candidates": candidates}
        if usage is not None:
            body["usageMetadata"] = usage
        return {**body, "modelVersion": self._stamp.model, "responseId": self._stamp.call_id}

    def _logprobs(self, words: list[str]) -> Json:
        chosen = [_likelihood(word, crc32(word.encode()) % 1000 / 1000) for word in words]
        room = max((self._ask.top_logprobs or 0) - 1, 0)
        others = [_likelihood(word, 1.5 + place) for place, word in enumerate(_LIKELY[:room])]
        tops = [{"candidates": [token, *others]} for token in chosen]
        return {"chosenCandidates": chosen} | ({"topCandidates": tops} if self._ask.top_logprobs else {})


def _called(calls: list[ToolUse], reason: str, proof: str) -> list[Json]:
    """The first call is signed. One that was cut at the maximum would be no JSON, and is not told."""
    told: list[Json] = [
        {"functionCall": {"id": call.call_id, "name": call.name, "args": orjson.loads(call.arguments)}}
        for call in calls
        if reason != "length"
    ]
    return [_signed(told[0], proof), *told[1:]] if told else []


def _signed(part: Json, proof: str) -> Json:
    signature = b64encode(b"thought %08x" % crc32(proof.encode())).decode()
    return {**part, "thoughtSignature": signature} if proof else part


def _likelihood(text: str, unlikelihood: float) -> Json:
    return {"token": text, "tokenId": crc32(text.encode()) % 256_000, "logProbability": -unlikelihood}


def _usage(usage: Usage) -> Json:
    counts = {
        "promptTokenCount": usage.prompt_tokens,
        "cachedContentTokenCount": usage.cached_tokens,
        "candidatesTokenCount": usage.output_tokens - usage.reasoning_tokens,
        "thoughtsTokenCount": usage.reasoning_tokens,
        "totalTokenCount": usage.prompt_tokens + usage.output_tokens,
    }
    return {name: count for name, count in counts.items() if count}


def _event(body: Json) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\r\n\r\n"


_STATUSES: Final[Mapping[int, tuple[str, str]]] = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "models/none is not found for API version v1beta, or is not supported for generateContent."),
    409: ("ABORTED", "The operation was aborted."),
    429: ("RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details."),
    499: ("CANCELLED", "The operation was cancelled."),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
}
_SERVER_ERROR: Final = ("INTERNAL", "An internal error has occurred. Please retry.")


def error_body(refusal: Refusal) -> bytes:
    name, words = _STATUSES.get(refusal.status, _SERVER_ERROR if refusal.status >= 500 else _STATUSES[400])
    details: list[Json] = []
    code = refusal.status
    if refusal.code == "invalid_api_key":
        code, name, words = 400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."
        kind = "type.googleapis.com/google.rpc.ErrorInfo"
        details.append({"@type": kind, "reason": "API_KEY_INVALID", "domain": "googleapis.com"})
    elif refusal.message is not None:
        words = refusal.message
    seconds = _seconds(dict(refusal.headers))
    if seconds is not None:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{seconds:g}s"})
    error: Json = {"code": code, "message": words, "status": refusal.type or name}
    return orjson.dumps({"error": {**error, "details": details} if details else error})


def _seconds(headers: Mapping[str, str]) -> float | None:
    """How long to wait is told in the body, where others have a header."""
    if "retry-after-ms" in headers:
        return int(headers["retry-after-ms"]) / 1000
    said = headers.get("retry-after", "")
    return float(said) if said.isdecimal() else None
