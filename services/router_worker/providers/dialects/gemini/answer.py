"""What does Gemini answer? Candidates of parts, whole or in chunks of one form: ai.google.dev/api/generate-content.

A stream has no end mark: it ends behind the chunk that says why every candidate did.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson
from pydantic import JsonValue

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.dialects.gemini.messages import SIGNATURE, signed
from services.router_worker.providers.dialects.gemini.refusal import failure_in_body
from services.router_worker.providers.telling import Telling
from shared.contracts import JsonObject, TokenUsage, Unit

__all__ = ["CandidatesReader"]

_REASONS: Final[Mapping[str, str]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "ESCALATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
}

_FAULTS: Final[Mapping[str, FailureKind]] = {
    "MALFORMED_FUNCTION_CALL": FailureKind.MALFORMED,
    "MALFORMED_RESPONSE": FailureKind.MALFORMED,
    "UNEXPECTED_TOOL_CALL": FailureKind.MALFORMED,
    "MISSING_THOUGHT_SIGNATURE": FailureKind.BAD_REQUEST,
    "PUP_LIMITED_DISABLED": FailureKind.PERMISSION,
}
"""Reasons that break an answer. One that is not known breaks it too: half an answer must not pass for a whole one."""

_UNSPECIFIED: Final = "FINISH_REASON_UNSPECIFIED"


class CandidatesReader:
    """`reading.Reader`. Chunks tell what was counted so far; only what the last one tells is the whole count."""

    def __init__(self, telling: Telling, completion_id: str) -> None:
        self._telling = telling
        self._names = completion_id.replace("chatcmpl-", "call_")
        """For calls that the API gives no id; a caller's results need one."""
        self._calls: dict[int, int] = {}
        """How many tools each candidate has called."""

    def event(self, _name: str, data: JsonObject, /) -> None:
        self._read(data)

    def whole(self, body: JsonObject) -> None:
        self._read(body)
        self._telling.close(None)

    def _read(self, body: dict[str, Any]) -> None:
        if body.get("error"):
            self._telling.fail(failure_in_body(body["error"]))
            return
        blocked = body.get("promptFeedback", {}).get("blockReason")
        # A chunk may hold nothing but a count.
        candidates = body.get("candidates", []) if blocked or "usageMetadata" in body else body["candidates"]
        self._telling.serves(body.get("modelVersion", ""))
        counts = body.get("usageMetadata", {})
        usage = _tokens(counts)
        if usage is not None and (blocked or any(candidate.get("finishReason") for candidate in candidates)):
            self._telling.used(usage, units=_units(counts))
        elif usage is not None:
            self._telling.used_so_far(usage, _units(counts))
        if blocked:
            self._telling.fail(_filtered("prompt", blocked, body["promptFeedback"]))
        for candidate in candidates:
            self._candidate(candidate, candidate.get("index", 0))

    def _candidate(self, candidate: dict[str, Any], choice: int) -> None:
        for part in candidate.get("content", {}).get("parts", ()):
            self._part(part, choice)
        if found := candidate.get("logprobsResult"):
            self._telling.logprobs(_logprobs(found), choice)
        reason = candidate.get("finishReason", _UNSPECIFIED)
        if reason != _UNSPECIFIED:
            self._finish(reason, candidate, choice)

    def _part(self, part: dict[str, Any], choice: int) -> None:
        signature = part.get("thoughtSignature")
        if call := part.get("functionCall"):
            self._call(call, signature, choice)
            return
        data = part.get("inlineData")
        if data and not part.get("thought"):
            # As other gateways give out what a model paints beside its text. Sketches of a thought are no answer.
            url = f"data:{data['mimeType']};base64,{data['data']}"
            self._telling.beside({"images": [{"type": "image_url", "image_url": {"url": url}}]}, choice)
        say = self._telling.reasoning if part.get("thought") else self._telling.text
        say(part.get("text", ""), choice)
        if signature:
            self._telling.thinking({"type": SIGNATURE, "signature": signature}, choice)

    def _call(self, call: dict[str, Any], signature: str | None, choice: int) -> None:
        index = self._calls.get(choice, 0)
        self._calls[choice] = index + 1
        named = call.get("id") or f"{self._names}_{choice}_{index}"
        arguments = orjson.dumps(call.get("args") or {}).decode()
        self._telling.tool(index, named, call["name"], arguments, choice, signed(signature) if signature else None)

    def _finish(self, reason: str, candidate: dict[str, Any], choice: int) -> None:
        known = _REASONS.get(reason)
        if known is None:
            said = candidate.get("finishMessage") or "Gemini broke its answer off."
            self._telling.fail(Failure(_FAULTS.get(reason, FailureKind.IN_STREAM_ERROR), f"{reason}: {said}"))
        elif known == "content_filter" and not self._telling.said_something:
            self._telling.fail(_filtered("answer", reason, candidate))
        else:
            self._telling.finish("tool_calls" if known == "stop" and choice in self._calls else known, choice)


def _filtered(what: str, reason: str, rated: dict[str, Any]) -> Failure:
    blocking = [rating["category"] for rating in rated.get("safetyRatings", ()) if rating.get("blocked")]
    said = rated.get("blockReasonMessage") or rated.get("finishMessage") or ", ".join(blocking)
    words = f"Google blocked the {what}: {reason}{f' ({said})' if said else ''}."
    return Failure(FailureKind.CONTENT_FILTER, words)


def _tokens(usage: dict[str, Any]) -> TokenUsage | None:
    """None when nothing is counted. The prompt holds what came from a cache; thoughts stand beside the candidates."""
    if "promptTokenCount" not in usage:
        return None
    cached = min(usage.get("cachedContentTokenCount", 0), usage["promptTokenCount"])
    thoughts = usage.get("thoughtsTokenCount", 0)
    return TokenUsage(
        uncached_input=usage["promptTokenCount"] - cached + usage.get("toolUsePromptTokenCount", 0),
        cache_read=cached,
        output=usage.get("candidatesTokenCount", 0) + thoughts,
        reasoning=thoughts,
    )


def _units(usage: dict[str, Any]) -> dict[Unit, int] | None:
    """What may have a price of its own. The prompt's details hold what came from a cache, too."""
    counts = {
        unit: _of(modality, usage, prompted) - _of(modality, usage, cached)
        for unit, modality, prompted, cached in (
            (Unit.INPUT_AUDIO, "AUDIO", "promptTokensDetails", "cacheTokensDetails"),
            (Unit.INPUT_IMAGE, "IMAGE", "promptTokensDetails", "cacheTokensDetails"),
            (Unit.OUTPUT_AUDIO, "AUDIO", "candidatesTokensDetails", None),
            (Unit.OUTPUT_IMAGE, "IMAGE", "candidatesTokensDetails", None),
        )
    }
    return {unit: count for unit, count in counts.items() if count > 0} or None


def _of(modality: str, usage: dict[str, Any], details: str | None) -> int:
    return sum(each.get("tokenCount", 0) for each in usage.get(details or "", ()) if each["modality"] == modality)


def _logprobs(result: dict[str, Any]) -> JsonObject:
    chosen = result["chosenCandidates"]
    tops = result.get("topCandidates") or [{}] * len(chosen)
    content: list[JsonValue] = [
        {**_likelihood(token), "top_logprobs": [_likelihood(other) for other in top.get("candidates", ())]}
        for token, top in zip(chosen, tops, strict=True)
    ]
    return {"content": content}


def _likelihood(candidate: dict[str, Any]) -> dict[str, Any]:
    token = candidate["token"]
    return {"token": token, "logprob": candidate["logProbability"], "bytes": list(token.encode())}
