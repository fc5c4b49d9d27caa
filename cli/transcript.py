"""What of a job's events does a person see? Pure: events in, pieces of text and remarks out."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from cli.instants import brief_duration
from shared.contracts import JobEnded, JobStatus, JsonObject

__all__ = ["Ended", "Piece", "Transcript", "answer_text", "summary"]

TERMINAL: Final = frozenset({"done", "error", "cancelled", "expired"})


class Piece(NamedTuple):
    kind: Literal["text", "remark"]
    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The last thing a log says."""

    outcome: JobEnded


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Function(_Part):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(_Part):
    index: int = 0
    function: _Function = _Function()


class _Said(_Part):
    """A delta of a chunk, or the message of a whole answer."""

    content: str | None = None
    refusal: str | None = None
    tool_calls: tuple[_ToolCall, ...] | None = None


class _Choice(_Part):
    index: int = 0
    delta: _Said = _Said()
    message: _Said = _Said()


class _Completion(_Part):
    choices: tuple[_Choice, ...] | None = None


class _Step(_Part):
    """What the worker says between the tokens."""

    step: str = ""
    attempt: int = 0
    deployment: str = ""
    why: str = ""


@dataclass(slots=True)
class Transcript:
    """One reading of a job, from its first event to its last."""

    shown: bool = False
    """Whether any text is on the screen that still stands."""
    _choice: int = field(default=0)
    _tool: tuple[int, int] | None = field(default=None)

    def read(self, event: str, data: bytes) -> Iterator[Piece | Ended]:
        """Raises ValueError when the data is not what the event promises."""
        if event == "delta":
            yield from self._delta(data)
        elif event == "restart":
            yield from self._restart()
        elif event in TERMINAL:
            yield Ended(JobEnded.model_validate_json(data))
        elif event == "progress":
            yield from _told(_Step.model_validate_json(data))

    def _delta(self, data: bytes) -> Iterator[Piece]:
        for choice in _Completion.model_validate_json(data).choices or ():
            said = choice.delta
            text = (said.content or "") + (said.refusal or "")
            for call in said.tool_calls or ():
                text += self._tool_text(choice.index, call)
            if not text:
                continue
            if choice.index != self._choice:
                text = f"\n[{choice.index}] {text}"
                self._choice = choice.index
            self.shown = True
            yield Piece("text", text)

    def _tool_text(self, choice: int, call: _ToolCall) -> str:
        """`name(` once, then the arguments as they come."""
        place = (choice, call.index)
        opening = ""
        if place != self._tool:
            self._tool = place
            opening = f"\n{call.function.name or 'tool'} "
        return opening + (call.function.arguments or "")

    def _restart(self) -> Iterator[Piece]:
        if self.shown:
            yield Piece("remark", "the answer broke off and begins again; what stands above is void")
        self.shown = False
        self._choice, self._tool = 0, None


def answer_text(response: JsonObject | None) -> str:
    """What a whole answer says, all choices of it."""
    if response is None:
        return ""
    try:
        choices = _Completion.model_validate(response).choices or ()
    except ValidationError:
        return json.dumps(response, ensure_ascii=False)
    texts = [_said_text(choice.message) for choice in choices]
    return texts[0] if len(texts) == 1 else "\n".join(f"[{at}] {text}" for at, text in enumerate(texts))


def summary(ended: JobEnded) -> str:
    """How it went, in one line."""
    took = brief_duration(ended.ended_at - ended.accepted_at)
    parts = [f"{ended.status.value} after {took}", ended.model_served or ended.model]
    if ended.usage.total:
        parts.append(f"{ended.usage.input} tokens in, {ended.usage.output} out")
    if len(ended.attempts) > 1:
        parts.append(f"{len(ended.attempts)} attempts")
    if ended.finish_reason and ended.finish_reason != "stop":
        parts.append(f"finished by {ended.finish_reason}")
    if ended.status is not JobStatus.SUCCEEDED and ended.error:
        parts.append(ended.error.message)
    return " · ".join(parts)


def _said_text(said: _Said) -> str:
    calls = [f"{call.function.name or 'tool'} {call.function.arguments or ''}" for call in said.tool_calls or ()]
    return "\n".join(text for text in (said.content or said.refusal or "", *calls) if text)


def _told(step: _Step) -> Iterator[Piece]:
    """The first attempt goes without saying."""
    if step.step == "takeover":
        yield Piece("remark", "its worker died; another one goes on")
    elif step.step == "waiting":
        yield Piece("remark", f"waiting: {step.why or 'the next attempt is due later'}")
    elif step.step == "attempt" and step.attempt > 1:
        yield Piece("remark", f"attempt {step.attempt}, at {step.deployment}")
