"""What does a request for embeddings say, and how are they told in OpenAI's words? For families with other words."""

from array import array
from base64 import b64encode
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from sys import byteorder
from typing import Final

from pydantic import JsonValue

from services.router_worker.events import Answered, AttemptEvent, Failed, Finished, UsageReported
from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.chat import lack
from services.router_worker.providers.dialect import Envelope
from services.router_worker.providers.reading import DocumentDecoder
from shared.contracts import JsonObject, TokenUsage

__all__ = ["Texts", "Vectors", "embeddings_decoder", "packed", "read_texts"]

_OURS: Final = frozenset({"model", "input", "encoding_format", "metadata", "user"})
"""`encoding_format` is fulfilled here, whatever the family gives; `user` stands in the ledger."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What is to be embedded."""

    inputs: tuple[str, ...]
    extras: JsonObject
    """The other parameters, of those that the family honours."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """What a family's answer holds, in the order of the inputs."""

    vectors: Sequence[Sequence[float]]
    input_tokens: int | None
    model: str | None = None


def read_texts(body: JsonObject, family: str, honours: Collection[str]) -> Texts:
    """Raises UnsupportedError for what `family` could not be asked for."""
    for name, value in body.items():
        if value is not None and name not in _OURS and name not in honours:
            lack(name, f"is nothing that {family} could be asked for")
    given = body.get("input")
    inputs = given if isinstance(given, list) else [given]
    texts = tuple(text for text in inputs if isinstance(text, str))
    if not texts or len(texts) < len(inputs):
        lack("input", f"has to be a text or texts for {family}, not tokens")
    return Texts(texts, {name: value for name, value in body.items() if name in honours and value is not None})


def embeddings_decoder(envelope: Envelope, read: Callable[[JsonObject], Vectors | Failure]) -> DocumentDecoder:
    """`read` may raise for what has not the family's form."""

    def told(answer: JsonObject) -> Sequence[AttemptEvent]:
        found = read(answer)
        if isinstance(found, Failure):
            return (Failed(found),)
        if not found.vectors:
            return (Failed(Failure(FailureKind.EMPTY, "The provider's answer has no embeddings.")),)
        return _told(found, envelope)

    return DocumentDecoder(told)


def _told(found: Vectors, envelope: Envelope) -> Sequence[AttemptEvent]:
    data: list[JsonValue] = [
        {"object": "embedding", "index": index, "embedding": packed(vector) if envelope.base64 else list(vector)}
        for index, vector in enumerate(found.vectors)
    ]
    response: JsonObject = {"object": "list", "data": data, "model": found.model or envelope.model}
    ending = Finished(None, found.model)
    if found.input_tokens is None:
        return (Answered(response), ending)
    counted: JsonObject = {"prompt_tokens": found.input_tokens, "total_tokens": found.input_tokens}
    usage = UsageReported(TokenUsage(uncached_input=found.input_tokens), None, counted)
    return (Answered({**response, "usage": counted}), usage, ending)


def packed(vector: Sequence[float]) -> str:
    """32-bit floats, the smallest byte first, in base64."""
    floats = array("f", vector)
    if byteorder == "big":
        floats.byteswap()
    return b64encode(floats.tobytes()).decode()
