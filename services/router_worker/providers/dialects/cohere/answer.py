"""What does Cohere answer? A message, whole or in events: docs.cohere.com/docs/streaming, …/docs/tool-use-streaming."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import JsonValue

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.dialects.cohere.messages import THOUGHT
from services.router_worker.providers.dialects.cohere.refusal import failure_in_body
from services.router_worker.providers.telling import Telling
from shared.contracts import JsonObject, TokenUsage

__all__ = ["MessageReader"]

_REASONS: Final[Mapping[str, str]] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}

_FAULTS: Final[Mapping[str, FailureKind]] = {"TIMEOUT": FailureKind.REQUEST_TIMEOUT}
"""Reasons that break an answer. One that is not known breaks it too: half an answer must not pass for a whole one."""


class MessageReader:
    """`reading.Reader`. Each block and each call has a place, which its pieces name."""

    def __init__(self, telling: Telling) -> None:
        self._telling = telling
        self._thoughts: dict[int, str] = {}
        """Those that are under way, by their place."""
        self._calls: dict[int, int] = {}
        """Which call of the answer stands at a place."""
        self._silent: set[int] = set()
        """The calls of whose arguments nothing has come yet."""

    def event(self, _name: str, data: JsonObject, /) -> None:
        body: dict[str, Any] = data
        index = body.get("index", 0)
        match body["type"]:
            case "content-delta" | "content-start":
                self._content(index, body["delta"]["message"]["content"], body.get("logprobs"))
            case "content-end":
                self._think_no_more(index)
            case "tool-plan-delta":
                self._telling.text(body["delta"]["message"]["tool_plan"])
            case "tool-call-start":
                self._call(index, body["delta"]["message"]["tool_calls"])
            case "tool-call-delta":
                self._argue(index, body["delta"]["message"]["tool_calls"]["function"]["arguments"])
            case "tool-call-end":
                self._argue_no_more(index)
            case "citation-start":
                self._telling.beside({"citations": [body["delta"]["message"]["citations"]]})
            case "message-end":
                self._end(body["delta"])
            case _:
                pass  # the other end of what began, and kinds of events that are yet to come

    def whole(self, body: JsonObject) -> None:
        answer: dict[str, Any] = body
        message = answer["message"]
        if isinstance(message, str):
            self._telling.fail(failure_in_body(answer))
            return
        for index, part in enumerate(message.get("content") or ()):
            self._content(index, part, None)
            self._think_no_more(index)
        self._telling.text(message.get("tool_plan") or "")
        for index, call in enumerate(message.get("tool_calls") or ()):
            self._call(index, call)
            self._argue_no_more(index)
        if citations := message.get("citations"):
            self._telling.beside({"citations": citations})
        if likely := answer.get("logprobs"):
            self._telling.logprobs({"content": [_likelihood(item) for item in likely]})
        self._end(answer)

    def _content(self, index: int, part: dict[str, Any], logprobs: dict[str, Any] | None) -> None:
        if thought := part.get("thinking"):
            self._thoughts[index] = self._thoughts.get(index, "") + thought
            self._telling.reasoning(thought)
        self._telling.text(part.get("text") or "")
        if logprobs:
            self._telling.logprobs({"content": [_likelihood(logprobs)]})

    def _think_no_more(self, index: int) -> None:
        if thought := self._thoughts.pop(index, None):
            self._telling.thinking({"type": THOUGHT, "thinking": thought})

    def _call(self, index: int, call: dict[str, Any]) -> None:
        self._calls[index] = len(self._calls)
        function = call["function"]
        arguments = function.get("arguments") or ""
        self._telling.tool(self._calls[index], call["id"], function["name"], arguments)
        if not arguments:
            self._silent.add(index)

    def _argue(self, index: int, fragment: str) -> None:
        if fragment:
            self._silent.discard(index)
            self._telling.arguments(self._calls[index], fragment)

    def _argue_no_more(self, index: int) -> None:
        """A call without arguments has an empty object of them, for OpenAI's clients."""
        if index in self._silent:
            self._argue(index, "{}")

    def _end(self, ending: dict[str, Any]) -> None:
        usage = _tokens(ending.get("usage") or {})
        if usage is not None:
            self._telling.used(usage)
        reason = ending["finish_reason"]
        if reason in _REASONS:
            self._telling.finish(_REASONS[reason])
            self._telling.end()
        else:
            said = ending.get("error") or "Cohere broke its answer off."
            self._telling.fail(Failure(_FAULTS.get(reason, FailureKind.IN_STREAM_ERROR), f"{reason}: {said}"))


def _tokens(usage: dict[str, Any]) -> TokenUsage | None:
    """What is charged: Cohere counts its own words around a prompt, too, and lets them pass for nothing."""
    counts = usage.get("billed_units") or usage.get("tokens")
    if not counts:
        return None
    prompt = int(counts.get("input_tokens") or 0)
    cached = min(int(usage.get("cached_tokens") or 0), prompt)
    return TokenUsage(uncached_input=prompt - cached, cache_read=cached, output=int(counts.get("output_tokens") or 0))


def _likelihood(item: dict[str, Any]) -> JsonValue:
    """Of a piece of text, which may be several tokens: then it is as likely as all of them together."""
    text = item["text"]
    return {"token": text, "logprob": sum(item["logprobs"]), "bytes": list(text.encode()), "top_logprobs": []}
