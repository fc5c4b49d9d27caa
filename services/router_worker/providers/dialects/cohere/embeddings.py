"""How are texts embedded by Cohere? Said with what they are for: docs.cohere.com/reference/embed."""

from typing import Any, Final

from services.router_worker.failures import Failure
from services.router_worker.providers.chat import lack
from services.router_worker.providers.dialects.cohere.refusal import failure_in_body
from services.router_worker.providers.dialects.cohere.request import FAMILY
from services.router_worker.providers.embedding import Vectors, read_texts
from shared.contracts import JsonObject

__all__ = ["embedding", "read_embeddings"]

_WISHES: Final = {"dimensions": "output_dimension", "input_type": "input_type", "truncate": "truncate"}
"""The last two are Cohere's own."""

_MOST_TEXTS: Final = 96

_UNSAID: Final[JsonObject] = {"input_type": "search_document", "truncate": "NONE"}
"""What texts are for has to be said; and what is too long is told, as OpenAI does, where Cohere would cut it."""


def embedding(body: JsonObject, model: str) -> JsonObject:
    """The body of `embed`. Raises UnsupportedError."""
    texts = read_texts(body, FAMILY, _WISHES)
    if len(texts.inputs) > _MOST_TEXTS:
        lack("input", f"holds at most {_MOST_TEXTS} texts at {FAMILY}")
    wishes: JsonObject = {_WISHES[name]: value for name, value in texts.extras.items()}
    return {"model": model, "texts": list(texts.inputs), "embedding_types": ["float"], **_UNSAID, **wishes}


def read_embeddings(answer: dict[str, Any]) -> Vectors | Failure:
    if "embeddings" not in answer and "message" in answer:
        return failure_in_body(answer)
    counted = answer.get("meta", {}).get("billed_units", {}).get("input_tokens")
    return Vectors(answer["embeddings"]["float"], None if counted is None else int(counted))
