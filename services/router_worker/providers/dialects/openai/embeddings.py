"""What does OpenAI answer to a request for embeddings? One document, which the caller gets as it is."""

from collections.abc import Sequence

import orjson

from services.router_worker.events import Answered, AttemptEvent, Failed, Finished
from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.dialects.openai.refusal import failure_in_body
from services.router_worker.providers.dialects.openai.usage import read_usage
from services.router_worker.providers.refusals import text_in
from shared.contracts import JsonObject

__all__ = ["read_embeddings"]


def read_embeddings(answer: JsonObject) -> Sequence[AttemptEvent]:
    if answer.get("error"):
        return (Failed(failure_in_body(answer["error"])),)
    if not answer.get("data"):
        return (Failed(Failure(FailureKind.EMPTY, "The provider's answer has no embeddings.")),)
    usage = answer.get("usage")
    reported = read_usage(usage, orjson.dumps({"usage": usage})) if isinstance(usage, dict) else None
    return (Answered(answer), *((reported,) if reported else ()), Finished(None, text_in(answer, "model")))
