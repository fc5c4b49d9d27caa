"""What does Claude answer? A message of blocks, whole or in events.

platform.claude.com/docs/en/build-with-claude/streaming, …/api/messages.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from services.router_worker.providers.dialects.anthropic.refusal import failure_in_body
from services.router_worker.providers.telling import Telling
from shared.contracts import JsonObject, TokenUsage, Unit

__all__ = ["MessageReader"]

_REASONS: Final[Mapping[str, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}

_DECLINED: Final = "The model declined to answer."


class MessageReader:
    """`reading.Reader`. Blocks come one after the other, but each delta names the block it belongs to."""

    def __init__(self, telling: Telling) -> None:
        self._telling = telling
        self._thoughts: dict[int, dict[str, Any]] = {}
        """The thinking blocks that are under way, by their place."""
        self._tools: dict[int, int] = {}
        """Which call of the answer a block is."""
        self._silent: set[int] = set()
        """The tools of whose arguments nothing has come yet."""
        self._usage: dict[str, Any] = {}

    def event(self, _name: str, data: JsonObject, /) -> None:
        body: dict[str, Any] = data
        match body["type"]:
            case "content_block_delta":
                self._delta(body["index"], body["delta"])
            case "content_block_start":
                self._begin(body["index"], body["content_block"])
            case "content_block_stop":
                self._close(body["index"])
            case "message_start":
                self._telling.serves(body["message"]["model"])
                self._count(body["message"]["usage"])
                self._telling.used_so_far(_tokens(self._usage), _units(self._usage))
            case "message_delta":
                self._count(body["usage"])
                self._finish(body["delta"])
            case "message_stop":
                self._telling.end()
            case "error":
                self._telling.fail(failure_in_body(body["error"]))
            case _:
                pass  # `ping`, and kinds of events that are yet to come, as the documentation asks for

    def whole(self, body: JsonObject) -> None:
        message: dict[str, Any] = body
        if message["type"] == "error":
            self._telling.fail(failure_in_body(message["error"]))
            return
        self._telling.serves(message["model"])
        for index, block in enumerate(message["content"]):
            self._begin(index, block)
            self._close(index)
        self._count(message["usage"])
        self._finish(message)
        self._telling.end()

    def _begin(self, index: int, block: dict[str, Any]) -> None:
        match block["type"]:
            case "text":
                self._telling.text(block["text"])
            case "thinking":
                self._thoughts[index] = {"type": "thinking", "thinking": "", "signature": block.get("signature", "")}
                self._think(index, block["thinking"])
            case "redacted_thinking":
                self._telling.thinking({"type": "redacted_thinking", "data": block["data"]})
            case "tool_use":
                self._tools[index] = len(self._tools)
                # In a stream the input is empty here and comes in fragments.
                known = orjson.dumps(block["input"]).decode() if block["input"] else ""
                self._telling.tool(self._tools[index], block["id"], block["name"], known)
                if not known:
                    self._silent.add(index)
            case _:
                pass  # what the provider's own tools did, which nobody can ask for here

    def _delta(self, index: int, delta: dict[str, Any]) -> None:
        match delta["type"]:
            case "text_delta":
                self._telling.text(delta["text"])
            case "input_json_delta":
                if index in self._tools and delta["partial_json"]:
                    self._silent.discard(index)
                    self._telling.arguments(self._tools[index], delta["partial_json"])
            case "thinking_delta":
                self._think(index, delta["thinking"])
            case "signature_delta":
                self._thoughts[index]["signature"] += delta["signature"]
            case _:
                pass

    def _think(self, index: int, text: str) -> None:
        self._thoughts[index]["thinking"] += text
        self._telling.reasoning(text)

    def _close(self, index: int) -> None:
        if thought := self._thoughts.pop(index, None):
            self._telling.thinking(thought)
        if index in self._silent:
            # A call without arguments has an empty object of them, for OpenAI's clients.
            self._silent.discard(index)
            self._telling.arguments(self._tools[index], "{}")

    def _count(self, usage: dict[str, Any]) -> None:
        """Later counts are cumulative and need not repeat what stands."""
        self._usage |= {name: value for name, value in usage.items() if value is not None}

    def _finish(self, ending: dict[str, Any]) -> None:
        reason = ending["stop_reason"]
        if reason == "refusal":
            details = ending.get("stop_details") or {}
            explanation = details.get("explanation") or ("" if self._telling.said_something else _DECLINED)
            if explanation:
                self._telling.refusal(explanation)
        self._telling.used(_tokens(self._usage), units=_units(self._usage))
        self._telling.finish(_REASONS.get(reason, "stop"))


def _tokens(usage: dict[str, Any]) -> TokenUsage:
    """Anthropic counts beside the input what went into a cache and what came out of one; OpenAI counts both within."""
    output = usage.get("output_tokens", 0)
    details = usage.get("output_tokens_details") or {}
    return TokenUsage(
        uncached_input=usage.get("input_tokens", 0),
        cache_write=usage.get("cache_creation_input_tokens", 0),
        cache_read=usage.get("cache_read_input_tokens", 0),
        output=output,
        reasoning=min(details.get("thinking_tokens", 0), output),
    )


def _units(usage: dict[str, Any]) -> dict[Unit, int] | None:
    """What has a price of its own: what is cached for an hour, instead of five minutes, and searches."""
    written, tools = usage.get("cache_creation") or {}, usage.get("server_tool_use") or {}
    counts = {
        Unit.CACHE_WRITE_1H: written.get("ephemeral_1h_input_tokens", 0),
        Unit.WEB_SEARCH: tools.get("web_search_requests", 0),
    }
    return {unit: count for unit, count in counts.items() if count} or None
