"""What has been said so far? Chunks and answers in, the whole `chat.completion` out, also of a call that was cut short.

A chunk that is plain costs one append; only the others are parsed again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from services.router_worker.events import Answered, AttemptEvent, Chunk, Failed, Finished, LimitsTold, UsageReported
from shared.contracts import JsonObject

__all__ = ["Assembler"]

Json = dict[str, Any]

_WHOLE: Final = frozenset({"id", "type", "role", "name", "index"})
"""Sent in one piece, though some providers repeat it: the first counts."""
_NOT_GENERATED: Final = frozenset({"id", "type", "role"})


@dataclass(slots=True)
class _Choice:
    message: Json = field(default_factory=dict)
    rest: Json = field(default_factory=dict)
    """What stands beside the message: `logprobs`, `finish_reason` and whatever else."""
    text: list[str] = field(default_factory=list)
    """Pieces of the content that are not in the message yet."""

    def settle(self) -> None:
        if self.text:
            self.message["content"] = (self.message.get("content") or "") + "".join(self.text)
            self.text.clear()


class Assembler:
    """Of one answer, which several attempts may give if one goes on behind another."""

    def __init__(self) -> None:
        self._head: Json = {}
        self._choices: dict[int, _Choice] = {}
        self._usage: JsonObject | None = None
        self._answer: JsonObject | None = None

    def add(self, event: AttemptEvent) -> None:
        match event:
            case Chunk():
                self._add_chunk(event)
            case UsageReported():
                self._usage = event.reported
            case Answered():
                self._answer = event.response
            case LimitsTold() | Finished() | Failed():
                pass

    @property
    def text(self) -> str:
        """The first choice's content."""
        choice = self._settled().get(0)
        content = choice.message.get("content") if choice else None
        return content if isinstance(content, str) else ""

    @property
    def service_tier(self) -> str | None:
        """In which class of service the provider says it answers."""
        tier = (self._head if self._answer is None else self._answer).get("service_tier")
        return tier if isinstance(tier, str) else None

    @property
    def is_resumable(self) -> bool:
        """Whether there is text and nothing but text, in one choice: another attempt can go on behind it."""
        choices = self._settled()
        return set(choices) == {0} and {name for name, value in choices[0].message.items() if value} == {
            "role",
            "content",
        }

    @property
    def output(self) -> str:
        """Everything generated so far, in all choices, reasoning and tool calls too: for counting, not for reading."""
        if self._answer is not None:
            choices: Any = self._answer.get("choices", [])
            return "".join(_strings([choice["message"] for choice in choices]))
        return "".join(_strings([choice.message for choice in self._settled().values()]))

    def response(self) -> JsonObject | None:
        """The `chat.completion` so far; None when nothing was said. A choice that was cut has no finish reason."""
        if self._answer is not None:
            return self._answer
        if not self._choices:
            return None
        choices: Any = [_completed(index, choice) for index, choice in sorted(self._settled().items())]
        whole: JsonObject = {**self._head, "object": "chat.completion", "choices": choices}
        return whole if self._usage is None else {**whole, "usage": self._usage}

    def _add_chunk(self, chunk: Chunk) -> None:
        if chunk.plain and chunk.choice in self._choices:
            self._choices[chunk.choice].text.append(chunk.text)
            return
        body: Json = orjson.loads(chunk.data)
        for fields in body.pop("choices"):
            choice = self._choices.setdefault(fields.pop("index"), _Choice())
            choice.settle()
            _merge(choice.message, fields.pop("delta"))
            reason = fields.pop("finish_reason")
            _merge(choice.rest, fields)
            if reason is not None:
                choice.rest["finish_reason"] = reason
        body.pop("usage", None)
        self._head |= {name: value for name, value in body.items() if value is not None}

    def _settled(self) -> dict[int, _Choice]:
        for choice in self._choices.values():
            choice.settle()
        return self._choices


def _completed(index: int, choice: _Choice) -> Json:
    message: Json = {"role": "assistant", "content": None, **choice.message}
    calls = message.pop("tool_calls", None)
    if calls:
        message["tool_calls"] = [{k: v for k, v in call.items() if k != "index"} for call in calls]
    return {"index": index, "message": message, "logprobs": None, "finish_reason": None, **choice.rest}


def _merge(whole: Json, fragment: Json) -> None:
    """Texts and lists grow, objects are merged, anything else is replaced; no name is unknown."""
    for name, value in fragment.items():
        known = whole.get(name)
        if known is None:
            whole[name] = _indexed([], value) if isinstance(value, list) else value
        elif value is None or (name in _WHOLE and known):
            continue
        elif isinstance(known, str) and isinstance(value, str):
            whole[name] = known + value
        elif isinstance(known, dict) and isinstance(value, dict):
            _merge(known, value)
        elif isinstance(known, list) and isinstance(value, list):
            _indexed(known, value)
        else:
            whole[name] = value


def _indexed(whole: list[Any], fragments: list[Any]) -> list[Any]:
    """Fragments with an `index`, such as those of tool calls, join the element that has it; others are appended."""
    by_index = {index: element for element in whole if (index := _index_of(element)) is not None}
    for fragment in fragments:
        index = _index_of(fragment)
        if index in by_index:
            _merge(by_index[index], fragment)
            continue
        whole.append(fragment)
        if index is not None:
            by_index[index] = fragment
    return whole


def _index_of(element: object) -> int | None:
    index = element.get("index") if isinstance(element, dict) else None
    return index if isinstance(index, int) else None


def _strings(value: object, name: str = "") -> Iterator[str]:
    match value:
        case str() if name not in _NOT_GENERATED:
            yield value
        case dict():
            for key, inner in value.items():
                yield from _strings(inner, key)
        case list():
            for inner in value:
                yield from _strings(inner, name)
