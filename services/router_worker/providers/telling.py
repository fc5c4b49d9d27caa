"""How is an answer of another family told in OpenAI's words? A reader says what it found, and chunks come out.

Used by every dialect but OpenAI's, whose answers are in those words already. An answer that was not asked for as a
stream is told in the same way and put together in the end, so a family has one reader for both.

The delta of a thinking model has its text in `reasoning_content`. Where a family needs more of a thought to go on from
it (a signature, or what is encrypted), the whole block follows in `thinking_blocks` when it is complete; whoever sends
the message back sends that along.
"""

from collections.abc import Mapping
from typing import Final

import orjson

from services.router_worker.assembly import Assembler
from services.router_worker.events import Answered, AttemptEvent, Chunk, Failed, Finished, UsageReported
from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.dialect import Envelope
from shared.contracts import JsonObject, TokenUsage, Unit, UsageSource

__all__ = ["Telling", "in_openai_words"]

_CUT: Final = Failure(FailureKind.CUT, "The provider's stream ended in the middle of the answer.")
_EMPTY: Final = Failure(FailureKind.EMPTY, "The provider's answer is empty.")


class Telling:
    """Of one answer. Choices need not be announced: the first word of one brings its role along.

    What is told may come from the provider as it is: text that is none raises TypeError, and the answer is malformed.
    """

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._events: list[AttemptEvent] = []
        self._model: str | None = None
        self._head = self._tail = b""
        self._write_frame()
        self._started: set[int] = set()
        self._finish: dict[int, str] = {}
        self._usage: UsageReported | None = None
        self._outputs = 0
        """How many pieces of real output were told."""
        self._tools: set[int] = set()
        """The choices that call any."""
        self.ended = False

    def serves(self, model: str) -> None:
        """Who answers, in the provider's words. To be said before anything else."""
        if model and model != self._model:
            self._model = _text(model)
            self._write_frame()

    def text(self, text: str, choice: int = 0) -> None:
        if text and choice in self._started and type(text) is str:
            data = b'%b{"index":%d,"delta":{"content":%b},"finish_reason":null}%b' % (
                self._head,
                choice,
                orjson.dumps(text),
                self._tail,
            )
            self._outputs += 1
            self._events.append(Chunk(data, text, is_output=True, plain=True, choice=choice))
        elif text:
            self._delta({"content": _text(text)}, choice, text=text)

    def refusal(self, text: str, choice: int = 0) -> None:
        self._delta({"refusal": _text(text)}, choice)

    def reasoning(self, text: str, choice: int = 0) -> None:
        if text:
            self._delta({"reasoning_content": _text(text)}, choice)

    def thinking(self, block: JsonObject, choice: int = 0) -> None:
        """A whole block of thought, as the provider wants it back."""
        self._delta({"thinking_blocks": [block]}, choice)

    def tool(
        self,
        index: int,
        call_id: str,
        name: str,
        arguments: str = "",
        choice: int = 0,
        beside: JsonObject | None = None,
    ) -> None:
        """A tool is called; its arguments may follow in fragments. `index` counts the calls of the answer.

        `beside` stands in the call too, as `extra_content` does.
        """
        self._tools.add(choice)
        function: JsonObject = {"name": _text(name), "arguments": _text(arguments)}
        call: JsonObject = {"index": index, "id": _text(call_id), "type": "function", "function": function}
        self._delta({"tool_calls": [{**call, **(beside or {})}]}, choice)

    def arguments(self, index: int, fragment: str, choice: int = 0) -> None:
        if fragment:
            self._delta({"tool_calls": [{"index": index, "function": {"arguments": _text(fragment)}}]}, choice)

    def beside(self, delta: JsonObject, choice: int = 0) -> None:
        """Something else a message holds: annotations, citations, audio."""
        self._delta(delta, choice)

    def logprobs(self, logprobs: JsonObject, choice: int = 0) -> None:
        """Of what was said last. In OpenAI's form: `{"content": [...]}`."""
        self._choice(choice, {}, {"logprobs": logprobs, "finish_reason": None})

    def finish(self, reason: str, choice: int = 0, beside: JsonObject | None = None) -> None:
        """One of OpenAI's reasons. `beside` stands in the choice too, as `content_filter_results` do."""
        self._finish[choice] = _text(reason)
        self._choice(choice, {}, {"finish_reason": reason, **(beside or {})})

    def used(
        self, usage: TokenUsage, cost_nanodollars: int | None = None, units: Mapping[Unit, int] | None = None
    ) -> None:
        """The last that is said counts."""
        self._usage = UsageReported(usage, cost_nanodollars, in_openai_words(usage), units=units)

    def used_so_far(self, usage: TokenUsage, units: Mapping[Unit, int] | None = None) -> None:
        """Told in the beginning, when the input is known and the output is yet to come: for an answer that breaks."""
        self._usage = UsageReported(usage, None, in_openai_words(usage), UsageSource.PARTIAL, units)

    @property
    def said_something(self) -> bool:
        return self._outputs > 0

    def end(self) -> None:
        """The provider has said everything."""
        if self.ended:
            return
        if not self._outputs and self._is_nothing():
            self.fail(_EMPTY)
            return
        self.ended = True
        for choice in sorted(self._started - self._finish.keys()):
            # It is whole, but not said why it ended: callers go by that.
            self.finish("tool_calls" if choice in self._tools else "stop", choice)
        if self._usage is not None:
            if self._envelope.include_usage:
                self._events.append(self._usage_chunk(self._usage))
            self._events.append(self._usage)
        self._events.append(Finished(self._finish.get(0), self._model))

    def fail(self, failure: Failure) -> None:
        if self.ended:
            return
        self.ended = True
        if self._usage is not None and self._usage.source is UsageSource.PARTIAL:
            # Each thing told was a token at least.
            output = max(self._usage.usage.output, self._outputs) if self._outputs else 0
            self.used_so_far(self._usage.usage.model_copy(update={"output": output}), self._usage.units)
        if self._usage is not None and self._usage.usage.total:
            self._events.append(self._usage)
        self._events.append(Failed(failure))

    def close(self, cause: Failure | None) -> None:
        """No more comes: an answer that lacks only its end mark has ended, any other has failed."""
        if self._started and self._started == self._finish.keys():
            self.end()
        else:
            self.fail(cause or (_CUT if self._outputs else _EMPTY))

    def told(self) -> list[AttemptEvent]:
        """What has been told since this was asked last."""
        events, self._events = self._events, []
        return events

    def told_at_once(self) -> list[AttemptEvent]:
        """As `told`, of an answer that has ended, in the form that the caller asked for."""
        events = self.told()
        if self._envelope.streamed:
            return events
        assembler = Assembler()
        for event in events:
            assembler.add(event)
        rest: list[AttemptEvent] = [event for event in events if not isinstance(event, Chunk)]
        response = assembler.response()
        return [Answered(response), *rest] if response is not None and isinstance(rest[-1], Finished) else rest

    def _is_nothing(self) -> bool:
        """Whether an answer in which nothing was said is a fault: a model may stop at once, which costs a token."""
        if self._envelope.resumed:
            return False
        return not self._finish or (self._usage is not None and self._usage.usage.output == 0)

    def _write_frame(self) -> None:
        named = {
            "id": self._envelope.completion_id,
            "object": "chat.completion.chunk",
            "created": self._envelope.created,
            "model": self._model or self._envelope.model,
        }
        self._head = orjson.dumps(named)[:-1] + b',"choices":['
        self._tail = b'],"usage":null}' if self._envelope.include_usage else b"]}"

    def _delta(self, delta: JsonObject, choice: int, *, text: str = "") -> None:
        self._outputs += 1
        self._choice(choice, delta, {"finish_reason": None}, text=text, is_output=True)

    def _choice(
        self, index: int, delta: JsonObject, beside: JsonObject, *, text: str = "", is_output: bool = False
    ) -> None:
        if index not in self._started:
            self._started.add(index)
            delta = {"role": "assistant", **delta}
        data = self._head + orjson.dumps({"index": index, "delta": delta, **beside}) + self._tail
        self._events.append(Chunk(data, text, is_output, plain=False, choice=index))

    def _usage_chunk(self, usage: UsageReported) -> Chunk:
        data = self._head + b'],"usage":' + orjson.dumps(usage.reported) + b"}"
        return Chunk(data, "", is_output=False, plain=False, choice=0)


def _text(value: str) -> str:
    """What providers send is not always what their documentation says: a reader that hands it on is told here."""
    if type(value) is not str:
        raise TypeError(f"a {type(value).__name__} where text has to be")
    return value


def in_openai_words(usage: TokenUsage) -> JsonObject:
    """OpenAI counts cached input within the prompt, and reasoning within the completion."""
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
