"""The Gemini API of Google, with a key: ai.google.dev/api/generate-content. On Vertex AI it is `dialects/vertex.py`."""

from collections.abc import Mapping, Sequence

from services.router_worker.events import RateLimit
from services.router_worker.failures import Failure, Unsupported
from services.router_worker.providers.chat import UnsupportedError
from services.router_worker.providers.dialect import Decoder, Envelope, HttpCall, asked
from services.router_worker.providers.dialects.gemini.answer import CandidatesReader
from services.router_worker.providers.dialects.gemini.embeddings import batch, read_embeddings, texts_of
from services.router_worker.providers.dialects.gemini.refusal import failure_of
from services.router_worker.providers.dialects.gemini.request import calling, generating
from services.router_worker.providers.embedding import embeddings_decoder
from services.router_worker.providers.reading import AnswerDecoder
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider
from shared.contracts import Endpoint, Job

__all__ = ["Gemini"]


class Gemini:
    def encode(
        self, job: Job, candidate: Candidate, provider: Provider, resume_text: str | None
    ) -> HttpCall | Unsupported:
        path = self.path(candidate.model)
        try:
            if job.endpoint is Endpoint.EMBEDDINGS:
                return self.embedding(job, provider, path)
            body = generating(job, candidate, provider, resume_text)
        except UnsupportedError as lacking:
            return lacking.what
        return calling(provider, path, "streamGenerateContent" if job.streamed else "generateContent", body)

    def path(self, model: str) -> str:
        """Where the model lies; tuned ones have another collection before their name."""
        return model if "/" in model else f"models/{model}"

    def embedding(self, job: Job, provider: Provider, path: str) -> HttpCall:
        """Raises UnsupportedError."""
        return calling(provider, path, "batchEmbedContents", batch(texts_of(asked(job.body, provider)), path))

    def decoder(self, envelope: Envelope) -> Decoder:
        if envelope.endpoint is Endpoint.EMBEDDINGS:
            return embeddings_decoder(envelope, read_embeddings)
        return AnswerDecoder(envelope, lambda telling: CandidatesReader(telling, envelope.completion_id))

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        return failure_of(status, headers, body)

    def limits(self, _headers: Mapping[str, str]) -> Sequence[RateLimit]:
        """None are told: how long to wait stands in a refusal."""
        return ()
