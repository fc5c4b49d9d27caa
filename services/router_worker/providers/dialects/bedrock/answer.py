"""What does a model on Bedrock answer? A message of blocks, whole or in events.

docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream, …/API_runtime_Converse.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.dialects.bedrock.framing import EXCEPTION
from services.router_worker.providers.dialects.bedrock.refusal import failure_in_body
from services.router_worker.providers.telling import Telling
from shared.contracts import JsonObject, TokenUsage, Unit

__all__ = ["MessageReader"]

_REASONS: Final[Mapping[str, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
}

_BROKEN: Final[Mapping[str, str]] = {
    "malformed_model_output": "The model's answer has no form that Bedrock could read.",
    "malformed_tool_use": "The model called a tool in no form that Bedrock could read.",
}
"""Reasons for which there is no answer."""


class MessageReader:
    """`reading.Reader`. Text and thoughts begin without a word; each piece names the block it belongs to."""

    def __init__(self, telling: Telling) -> None:
        self._telling = telling
        self._thoughts: dict[int, dict[str, str]] = {}
        """Those that are under way, by their place: text, signature, or what is encrypted."""
        self._tools: dict[int, int] = {}
        """Which call of the answer a block is."""
        self._silent: set[int] = set()
        """The tools of whose arguments nothing has come yet."""
        self._broken: Failure | None = None
        """Why what was said is no answer; told when the tokens it took are known."""

    def event(self, name: str, data: JsonObject, /) -> None:
        body: dict[str, Any] = data
        match name:
            case "contentBlockDelta":
                self._delta(body["contentBlockIndex"], body["delta"])
            case "contentBlockStart":
                self._begin(body["contentBlockIndex"], body["start"])
            case "contentBlockStop":
                self._close(body["contentBlockIndex"])
            case "messageStop":
                self._finish(body["stopReason"])
            case "metadata":
                self._count(body["usage"])
                self._end()
            case _ if name == EXCEPTION:
                self._telling.fail(failure_in_body(data))
            case _:
                pass  # `messageStart`, which says nothing, and kinds of events that are yet to come

    def whole(self, body: JsonObject) -> None:
        answer: dict[str, Any] = body
        if "output" not in answer:
            self._telling.fail(failure_in_body(body))
            return
        for index, block in enumerate(answer["output"]["message"]["content"]):
            self._block(index, block)
            self._close(index)
        self._count(answer["usage"])
        self._finish(answer["stopReason"])
        self._end()

    def _block(self, index: int, block: dict[str, Any]) -> None:
        """A whole one, as if it came in pieces."""
        if "toolUse" in block:
            self._begin(index, block)
            given = block["toolUse"]["input"]
            self._delta(index, {"toolUse": {"input": orjson.dumps(given).decode() if given else ""}})
        elif "reasoningContent" in block:
            thought = block["reasoningContent"]
            self._think(index, thought.get("reasoningText") or thought)
        else:
            self._delta(index, block)

    def _begin(self, index: int, start: dict[str, Any]) -> None:
        called = start.get("toolUse")
        # What Bedrock calls and answers itself is none of the caller's tools.
        if called and called.get("type") != "server_tool_use":
            self._tools[index] = len(self._tools)
            self._silent.add(index)
            self._telling.tool(self._tools[index], called["toolUseId"], called["name"])

    def _delta(self, index: int, delta: dict[str, Any]) -> None:
        if "text" in delta:
            self._telling.text(delta["text"])
        elif "toolUse" in delta:
            fragment = delta["toolUse"]["input"]
            if index in self._tools and fragment:
                self._silent.discard(index)
                self._telling.arguments(self._tools[index], fragment)
        elif "reasoningContent" in delta:
            self._think(index, delta["reasoningContent"])

    def _think(self, index: int, piece: dict[str, Any]) -> None:
        thought = self._thoughts.setdefault(index, {})
        for name in ("text", "signature", "redactedContent"):
            if said := piece.get(name):
                thought[name] = thought.get(name, "") + said
        self._telling.reasoning(piece.get("text") or "")

    def _close(self, index: int) -> None:
        thought = self._thoughts.pop(index, {})
        if "redactedContent" in thought:
            self._telling.thinking({"type": "redacted_thinking", "data": thought["redactedContent"]})
        elif "signature" in thought:
            self._telling.thinking(
                {"type": "thinking", "thinking": thought.get("text", ""), "signature": thought["signature"]}
            )
        if index in self._silent:
            # A call without arguments has an empty object of them, for OpenAI's clients.
            self._silent.discard(index)
            self._telling.arguments(self._tools[index], "{}")

    def _count(self, usage: dict[str, Any]) -> None:
        """Cached input is counted beside the rest, in both directions."""
        hour = sum(each["inputTokens"] for each in usage.get("cacheDetails") or () if each["ttl"] == "1h")
        self._telling.used(
            TokenUsage(
                uncached_input=usage["inputTokens"],
                cache_write=usage.get("cacheWriteInputTokens") or 0,
                cache_read=usage.get("cacheReadInputTokens") or 0,
                output=usage["outputTokens"],
            ),
            units={Unit.CACHE_WRITE_1H: hour} if hour else None,
        )

    def _finish(self, reason: str) -> None:
        if reason in _BROKEN:
            self._broken = Failure(FailureKind.MALFORMED, _BROKEN[reason])
        else:
            self._telling.finish(_REASONS.get(reason, "stop"))

    def _end(self) -> None:
        if self._broken is not None:
            self._telling.fail(self._broken)
        else:
            self._telling.end()
