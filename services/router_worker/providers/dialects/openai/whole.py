"""An answer that comes in one piece: `chat.completion` as JSON."""

from collections.abc import Mapping, Sequence
from typing import Final

import orjson
from pydantic import JsonValue

from services.router_worker.events import Answered, AttemptEvent, Failed, Finished, UsageReported
from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.dialect import Envelope
from services.router_worker.providers.dialects.openai.refusal import failure_in_body
from services.router_worker.providers.dialects.openai.shape import reshape
from services.router_worker.providers.dialects.openai.usage import read_usage
from shared.contracts import JsonObject

__all__ = ["WholeDecoder", "is_empty", "read_whole", "says_something", "text_or_none"]

_LIMIT = 64_000_000
_NOTHING_SAID: Final = frozenset({"role", "channel", "token_id"})
"""What stands in a message and is none of its words; the latter two are Groq's and Together's."""


class WholeDecoder:
    __slots__ = ("_ended", "_envelope", "_packets", "_size")

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._packets: list[bytes] = []
        self._size = 0
        self._ended = False

    def feed(self, chunk: bytes) -> Sequence[AttemptEvent]:
        if self._ended:
            return ()
        self._size += len(chunk)
        if self._size > _LIMIT:
            return self._fail(Failure(FailureKind.MALFORMED, f"The answer is larger than {_LIMIT} bytes."))
        self._packets.append(chunk)
        return ()

    def close(self, cause: Failure | None = None) -> Sequence[AttemptEvent]:
        if self._ended:
            return ()
        if cause is not None:
            return self._fail(cause)
        self._ended = True
        return read_whole(b"".join(self._packets), self._envelope)

    def _fail(self, failure: Failure) -> Sequence[AttemptEvent]:
        self._ended = True
        self._packets.clear()
        return (Failed(failure),)


def read_whole(body: bytes, envelope: Envelope) -> Sequence[AttemptEvent]:
    """The events of a complete body."""
    if not body.strip():
        return (Failed(Failure(FailureKind.EMPTY, "The provider answered with an empty body.")),)
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = None
    if not isinstance(answer, dict):
        return (Failed(Failure(FailureKind.MALFORMED, "The provider's answer is not a JSON object.")),)
    if answer.get("error"):
        return (Failed(failure_in_body(answer["error"])),)
    if answer.get("object") == "error":
        return (Failed(failure_in_body(answer)),)
    usage = answer.get("usage")
    reported = read_usage(usage, body, envelope.quirks.cached_tokens) if isinstance(usage, dict) else None
    try:
        ending = _ending(answer, reported, envelope)
    except (AttributeError, LookupError, TypeError):
        ending = Failed(Failure(FailureKind.MALFORMED, "The provider's answer has a message without the form of one."))
    counted = (reported,) if reported else ()
    if isinstance(ending, Failed):
        return (*counted, ending)
    return (Answered(_in_our_name(answer, envelope)), *counted, ending)


def says_something(message: Mapping[str, JsonValue]) -> bool:
    return any(value for name, value in message.items() if name not in _NOTHING_SAID)


def is_empty(usage: UsageReported | None, finish_reason: str | None, *, resumed: bool) -> bool:
    """Whether an answer in which nothing was said is a fault rather than an answer.

    A model may stop at once, which costs at least the token that says so; a server that fell over counts none.
    """
    if resumed:
        return False
    return finish_reason is None or (usage is not None and usage.usage.output == 0)


def _ending(answer: JsonObject, usage: UsageReported | None, envelope: Envelope) -> Finished | Failed:
    choices = answer.get("choices") or []
    if not isinstance(choices, list):
        return Failed(Failure(FailureKind.MALFORMED, "The provider's answer has no list of choices."))
    reasons: list[str | None] = []
    said = False
    for choice in choices:
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(message, dict):
            return Failed(Failure(FailureKind.MALFORMED, "The provider's answer has a choice without a message."))
        reshape(message, envelope.quirks.reasoning)
        said = said or says_something(message)
        choice["finish_reason"] = _reason(choice, message, envelope)
        reasons.append(text_or_none(choice["finish_reason"]))
    reason = reasons[0] if reasons else None
    if not choices or (not said and is_empty(usage, reason, resumed=envelope.resumed)):
        return Failed(Failure(FailureKind.EMPTY, "The provider's answer is empty."))
    return Finished(reason, text_or_none(answer.get("model")) or None)


def _reason(choice: JsonObject, message: JsonObject, envelope: Envelope) -> str | None:
    """As OpenAI words it. A document that can be parsed is whole, though some servers do not say why it ended."""
    reason = text_or_none(choice.get("finish_reason"))
    if reason is None and says_something(message):
        return "tool_calls" if message.get("tool_calls") else "stop"
    return envelope.quirks.finish_reasons.get(reason or "", reason)


def _in_our_name(answer: JsonObject, envelope: Envelope) -> JsonObject:
    answer["id"] = envelope.completion_id
    answer["object"] = "chat.completion"
    answer["created"] = envelope.created
    answer["model"] = answer.get("model") or envelope.model
    return answer


def text_or_none(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None
