"""Gemini on Vertex AI: the same words below a project, a region and a publisher, by tokens of Google Cloud.

cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference, …/text-embeddings-api.
"""

from typing import Any

from pydantic import JsonValue

from services.router_worker.failures import Failure
from services.router_worker.providers.dialect import Decoder, Envelope, HttpCall, asked
from services.router_worker.providers.dialects.gemini import Gemini
from services.router_worker.providers.dialects.gemini.embeddings import read_embeddings, texts_of, wishes
from services.router_worker.providers.dialects.gemini.request import calling
from services.router_worker.providers.embedding import Texts, Vectors, embeddings_decoder
from shared.config.schema import Provider
from shared.contracts import Endpoint, Job, JsonObject

__all__ = ["Vertex"]


class Vertex(Gemini):
    def path(self, model: str) -> str:
        """A tuned model has an address of its own: `endpoints/123`."""
        return model if "/" in model else f"publishers/google/models/{model}"

    def embedding(self, job: Job, provider: Provider, path: str) -> HttpCall:
        """Only models that are a Gemini take what the Gemini API does; others predict."""
        texts = texts_of(asked(job.body, provider))
        if "gemini" in path:
            return calling(provider, path, "batchEmbedContents", _batch(texts))
        return calling(provider, path, "predict", _prediction(texts))

    def decoder(self, envelope: Envelope) -> Decoder:
        if envelope.endpoint is Endpoint.EMBEDDINGS:
            return embeddings_decoder(envelope, _read)
        return super().decoder(envelope)


def _batch(texts: Texts) -> JsonObject:
    config = wishes(texts)
    requests: list[JsonValue] = [
        {"content": {"parts": [{"text": text}]}, **({"embedContentConfig": config} if config else {})}
        for text in texts.inputs
    ]
    return {"requests": requests}


def _prediction(texts: Texts) -> JsonObject:
    named = {"task_type": texts.extras.get("task_type"), "title": texts.extras.get("title")}
    said: JsonObject = {name: value for name, value in named.items() if value is not None}
    body: JsonObject = {"instances": [{"content": text, **said} for text in texts.inputs]}
    dimensions = texts.extras.get("dimensions")
    return body if dimensions is None else {**body, "parameters": {"outputDimensionality": dimensions}}


def _read(answer: dict[str, Any]) -> Vectors | Failure:
    if "predictions" not in answer:
        return read_embeddings(answer)
    found = [prediction["embeddings"] for prediction in answer["predictions"]]
    counts = [each.get("statistics", {}).get("token_count") for each in found]
    return Vectors([each["values"] for each in found], None if None in counts else int(sum(counts)))
