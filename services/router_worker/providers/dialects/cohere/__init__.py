"""Cohere's API, version 2: docs.cohere.com/reference/chat."""

from collections.abc import Mapping, Sequence

from services.router_worker.events import LimitKind, RateLimit
from services.router_worker.failures import Failure, Unsupported
from services.router_worker.providers.chat import UnsupportedError
from services.router_worker.providers.dialect import Decoder, Envelope, HttpCall, asked
from services.router_worker.providers.dialects.cohere.answer import MessageReader
from services.router_worker.providers.dialects.cohere.embeddings import embedding, read_embeddings
from services.router_worker.providers.dialects.cohere.refusal import failure_of
from services.router_worker.providers.dialects.cohere.request import calling, chatting
from services.router_worker.providers.embedding import embeddings_decoder
from services.router_worker.providers.limits import count
from services.router_worker.providers.reading import AnswerDecoder
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider
from shared.contracts import Endpoint, Job

__all__ = ["Cohere"]


class Cohere:
    def encode(
        self, job: Job, candidate: Candidate, provider: Provider, resume_text: str | None
    ) -> HttpCall | Unsupported:
        try:
            if job.endpoint is Endpoint.EMBEDDINGS:
                return calling(provider, "embed", embedding(asked(job.body, provider), candidate.model))
            return calling(provider, "chat", chatting(job, candidate, provider, resume_text))
        except UnsupportedError as lacking:
            return lacking.what

    def decoder(self, envelope: Envelope) -> Decoder:
        if envelope.endpoint is Endpoint.EMBEDDINGS:
            return embeddings_decoder(envelope, read_embeddings)
        return AnswerDecoder(envelope, MessageReader)

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        return failure_of(status, headers, body)

    def limits(self, headers: Mapping[str, str]) -> Sequence[RateLimit]:
        """Told to trial keys alone: their calls of a minute."""
        limit = count(headers.get("x-trial-endpoint-call-limit"))
        remaining = count(headers.get("x-trial-endpoint-call-remaining"))
        return () if limit is None else (RateLimit(LimitKind.REQUESTS, limit, remaining),)
