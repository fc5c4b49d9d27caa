"""What does OpenAI answer to a request for embeddings? One document, which the caller gets as it is."""

from collections.abc import Sequence

import orjson
from pydantic import JsonValue

from services.router_worker.events import Answered, AttemptEvent, Failed, Finished
from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.dialect import Envelope
from services.router_worker.providers.dialects.openai.refusal import failure_in_body
from services.router_worker.providers.dialects.openai.usage import read_usage
from services.router_worker.providers.embedding import packed
from services.router_worker.providers.refusals import text_in
from shared.contracts import JsonObject

__all__ = ["read_embeddings"]


def read_embeddings(answer: JsonObject, envelope: Envelope) -> Sequence[AttemptEvent]:
    if answer.get("error"):
        return (Failed(failure_in_body(answer["error"])),)
    if not answer.get("data"):
        return (Failed(Failure(FailureKind.EMPTY, "The provider's answer has no embeddings.")),)
    data = answer["data"]
    if envelope.base64 and isinstance(data, list):
        answer = {**answer, "data": [_packed(each) for each in data]}
    usage = answer.get("usage")
    reported = read_usage(usage, orjson.dumps({"usage": usage})) if isinstance(usage, dict) else None
    return (Answered(answer), *((reported,) if reported else ()), Finished(None, text_in(answer, "model")))


def _packed(entry: JsonValue) -> JsonValue:
    """Some servers know numbers alone."""
    numbers = entry.get("embedding") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(numbers, list):
        return entry
    return {**entry, "embedding": packed([number for number in numbers if isinstance(number, int | float)])}
