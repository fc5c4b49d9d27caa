"""How are texts embedded by Gemini? All of them in one call: ai.google.dev/api/embeddings, `batchEmbedContents`."""

from typing import Any, Final

from pydantic import JsonValue

from services.router_worker.failures import Failure
from services.router_worker.providers.dialects.gemini.refusal import failure_in_body
from services.router_worker.providers.dialects.gemini.request import FAMILY
from services.router_worker.providers.embedding import Texts, Vectors, read_texts
from shared.contracts import JsonObject

__all__ = ["batch", "read_embeddings", "texts_of", "wishes"]

_WISHES: Final = {"dimensions": "outputDimensionality", "task_type": "taskType", "title": "title"}
"""The last two are Gemini's own."""


def texts_of(body: JsonObject) -> Texts:
    """Raises UnsupportedError."""
    return read_texts(body, FAMILY, _WISHES)


def wishes(texts: Texts) -> JsonObject:
    return {_WISHES[name]: value for name, value in texts.extras.items()}


def batch(texts: Texts, path: str) -> JsonObject:
    requests: list[JsonValue] = [
        {"model": path, "content": {"parts": [{"text": text}]}, **wishes(texts)} for text in texts.inputs
    ]
    return {"requests": requests}


def read_embeddings(answer: dict[str, Any]) -> Vectors | Failure:
    if answer.get("error"):
        return failure_in_body(answer["error"])
    counted = answer.get("usageMetadata", {}).get("promptTokenCount")
    return Vectors([each["values"] for each in answer["embeddings"]], counted)
