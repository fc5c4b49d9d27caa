"""An answer that comes as server-sent events, one `chat.completion.chunk` each. Runs once per token: it is kept short.

Every chunk is rewritten into the form clients rely on: the job's `id` and `created`, a `role` in each choice's first
delta and in no other, a `finish_reason` in every choice, and usage only for those who asked.
"""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from services.router_worker.events import Answered, AttemptEvent, Chunk, Failed, Finished, UsageReported
from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.dialect import Envelope
from services.router_worker.providers.dialects.openai.cutting import Cutter
from services.router_worker.providers.dialects.openai.refusal import failure_in_body
from services.router_worker.providers.dialects.openai.shape import reshape
from services.router_worker.providers.dialects.openai.usage import read_usage
from services.router_worker.providers.dialects.openai.whole import WholeDecoder, is_empty, says_something
from services.router_worker.providers.sse import SseDecoder, SseOverflowError
from services.router_worker.providers.strangers import PAGE
from shared.contracts import JsonObject

__all__ = ["StreamDecoder"]

_USUAL: Final = frozenset({"index", "delta", "finish_reason", "logprobs"})
_CUT: Final = Failure(FailureKind.CUT, "The provider's stream ended in the middle of the answer.")
_EMPTY: Final = Failure(FailureKind.EMPTY, "The provider's stream ended without an answer.")


class StreamDecoder:
    __slots__ = (
        "_cutter",
        "_document",
        "_ended",
        "_envelope",
        "_finish",
        "_fresh",
        "_model",
        "_prompt_filter",
        "_reasoning",
        "_reasons",
        "_said",
        "_sse",
        "_started",
        "_tools",
        "_usage",
    )

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._sse = SseDecoder()
        self._cutter = Cutter()
        self._document: WholeDecoder | None = None
        """Reads on when the provider answers with one JSON document after all."""
        self._fresh = True
        self._model: str | None = None
        self._prompt_filter: object = None
        """What Azure thinks of the prompt comes ahead, in a chunk without choices: the first that has one takes it."""
        self._reasoning = envelope.quirks.reasoning
        self._reasons = envelope.quirks.finish_reasons
        self._started: set[int] = set()
        """The choices that have had a chunk."""
        self._finish: dict[int, str] = {}
        self._tools: set[int] = set()
        """The choices that call any."""
        self._said = False
        self._usage: tuple[JsonObject, bytes] | None = None
        """The last that was reported, with the JSON it stood in."""
        self._ended = False

    def feed(self, chunk: bytes) -> Sequence[AttemptEvent]:
        if self._ended:
            return ()
        events: list[AttemptEvent] = []
        if self._fresh:
            self._look(chunk, events)
        if self._document is not None:
            return self._document.feed(chunk)
        try:
            for event in self._sse.feed(chunk):
                self._take(event.data, events)
        except SseOverflowError as overflow:
            self._fail(Failure(FailureKind.MALFORMED, f"The provider sent {overflow}."), events)
        return events

    def close(self, cause: Failure | None = None) -> Sequence[AttemptEvent]:
        if self._ended:
            return ()
        events: list[AttemptEvent] = []
        if self._document is not None:
            self._ended = True
            return [each for event in self._document.close(cause) for each in self._as_streamed(event)]
        if self._started and self._started == self._finish.keys():
            self._end(events)
        else:
            self._fail(cause or (_CUT if self._said else _EMPTY), events)
        return events

    def _look(self, chunk: bytes, events: list[AttemptEvent]) -> None:
        """An event stream never begins with a brace; an error, or the answer of a server that cannot stream, does."""
        start = chunk.lstrip()[:1]
        if start:
            self._fresh = False
        if start in (b"{", b"["):
            self._document = WholeDecoder(self._envelope)
        elif start == b"<":
            self._fail(PAGE, events)

    def _take(self, data: bytes, events: list[AttemptEvent]) -> None:
        if self._ended:
            return
        if (cut := self._cutter.cut(data)) is not None:
            events.append(cut)
            return
        if data == b"[DONE]":
            self._end(events)
            return
        try:
            body = orjson.loads(data)
            if body.get("error"):
                self._fail(failure_in_body(body["error"]), events)
                return
            usage = body.pop("usage", None)
            if isinstance(usage, dict):
                self._usage = (usage, data)
            if body.get("choices"):
                chunk = self._chunk(body)
                events.append(chunk)
                if "prompt_filter_results" not in body:
                    self._cutter.learn(data, chunk)
            else:
                self._take_aside(body, events)
        except (orjson.JSONDecodeError, AttributeError, LookupError, TypeError):
            # What is no JSON, or lacks the shape of a chunk, shows itself on first use: cheaper than to ask each time.
            self._fail(Failure(FailureKind.MALFORMED, "The provider sent an event that is no chunk."), events)

    def _take_aside(self, body: dict[str, Any], events: list[AttemptEvent]) -> None:
        """An event without choices."""
        if "prompt_filter_results" in body:
            self._prompt_filter = body["prompt_filter_results"]
        elif body.get("object") == "error":  # Mistral's, and vLLM's of old
            self._fail(failure_in_body(body), events)

    def _name(self, body: dict[str, Any]) -> None:
        """What is said of the whole answer, in each of its chunks."""
        body["id"] = self._envelope.completion_id
        body["object"] = "chat.completion.chunk"
        body["created"] = self._envelope.created
        model = body.get("model")
        if not model:
            body["model"] = self._model or self._envelope.model
        elif type(model) is str:
            self._model = model
        else:
            raise TypeError("a model without a name")
        if self._envelope.include_usage:
            body["usage"] = None
        if self._prompt_filter is not None:
            body["prompt_filter_results"], self._prompt_filter = self._prompt_filter, None

    def _chunk(self, body: dict[str, Any]) -> Chunk:
        self._name(body)
        choices = body["choices"]
        text, is_output, plain = "", False, False
        for choice in choices:
            delta = choice.get("delta")
            if delta is None:
                delta = choice["delta"] = {}
            index = choice.setdefault("index", 0)
            if type(index) is not int:
                raise TypeError("a choice without a number")
            if index in self._started:
                delta.pop("role", None)
            else:
                self._started.add(index)
                delta["role"] = "assistant"
            reason = choice.setdefault("finish_reason", None)
            if reason is not None:
                choice["finish_reason"] = self._finish[index] = self._reasons.get(reason, str(reason))
            content = delta.get("content")
            if len(delta) > 1 or type(content) is not str:
                reshape(delta, self._reasoning)
                content = delta.get("content")
                if delta.get("tool_calls"):
                    self._tools.add(index)
            if content and type(content) is str:
                text += content
                is_output = True
                plain = len(delta) == 1 == len(choices) and reason is None and _is_bare(choice)
            elif not is_output:
                is_output = says_something(delta)
        self._said = self._said or is_output
        return Chunk(orjson.dumps(body), text, is_output, plain, choices[0]["index"])

    def _end(self, events: list[AttemptEvent]) -> None:
        """The provider has said everything."""
        reason = self._finish.get(0)
        reported = self._reported()
        unsaid = self._started - self._finish.keys()
        if reason == "error":
            self._fail(Failure(FailureKind.IN_STREAM_ERROR, "The provider ended the answer with an error."), events)
        elif not self._said and is_empty(reported, reason, resumed=self._envelope.resumed):
            self._fail(_EMPTY, events)
        else:
            self._ended = True
            if unsaid:
                events.append(self._reasons_of(unsaid))
                reason = self._finish.get(0)
            if reported is not None:
                events.extend(self._usage_chunk(reported))
                events.append(reported)
            events.append(Finished(reason, self._model))

    def _reasons_of(self, choices: set[int]) -> Chunk:
        """An answer with an end mark is whole, but some servers do not say why it ended: callers go by that."""
        self._finish |= {index: "tool_calls" if index in self._tools else "stop" for index in choices}
        body: dict[str, Any] = {
            "choices": [
                {"index": index, "delta": {}, "finish_reason": self._finish[index]} for index in sorted(choices)
            ]
        }
        self._name(body)
        return Chunk(orjson.dumps(body), "", is_output=False, plain=False, choice=min(choices))

    def _fail(self, failure: Failure, events: list[AttemptEvent]) -> None:
        self._ended = True
        reported = self._reported()
        if reported is not None:
            events.append(reported)
        events.append(Failed(failure))

    def _reported(self) -> UsageReported | None:
        return read_usage(*self._usage, self._envelope.quirks.cached_tokens) if self._usage is not None else None

    def _usage_chunk(self, reported: UsageReported) -> Sequence[Chunk]:
        if not self._envelope.include_usage:
            return ()
        chunk = {
            "id": self._envelope.completion_id,
            "object": "chat.completion.chunk",
            "created": self._envelope.created,
            "model": self._model or self._envelope.model,
            "choices": [],
            "usage": reported.reported,
        }
        return (Chunk(orjson.dumps(chunk), "", is_output=False, plain=False, choice=0),)

    def _as_streamed(self, event: AttemptEvent) -> Sequence[AttemptEvent]:
        """A whole answer as the one chunk of a stream."""
        match event:
            case Answered():
                return (self._chunk(_as_chunk(event.response)),)
            case UsageReported():
                return (*self._usage_chunk(event), event)
            case _:
                return (event,)


def _is_bare(choice: dict[str, Any]) -> bool:
    """Whether nothing stands beside the delta; some providers name much that is empty."""
    if choice.keys() <= _USUAL:
        return not choice.get("logprobs")
    return not any(value for name, value in choice.items() if name not in {"index", "delta"})


def _as_chunk(response: JsonObject) -> dict[str, Any]:
    body: dict[str, Any] = {name: value for name, value in response.items() if name != "usage"}
    for choice in body["choices"]:
        choice["delta"] = choice.pop("message")
        for index, call in enumerate(choice["delta"].get("tool_calls") or ()):
            call["index"] = index
    return body
