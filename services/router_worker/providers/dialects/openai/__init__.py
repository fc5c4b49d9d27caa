"""The chat completions API of OpenAI, and of everything that calls itself compatible with it."""

from collections.abc import Mapping, Sequence

from services.router_worker.events import RateLimit
from services.router_worker.failures import Failure, Unsupported
from services.router_worker.providers.dialect import Decoder, Envelope, HttpCall
from services.router_worker.providers.dialects.openai.embeddings import read_embeddings
from services.router_worker.providers.dialects.openai.refusal import failure_of
from services.router_worker.providers.dialects.openai.request import encode
from services.router_worker.providers.dialects.openai.stream import StreamDecoder
from services.router_worker.providers.dialects.openai.whole import WholeDecoder
from services.router_worker.providers.limits import x_ratelimits
from services.router_worker.providers.reading import DocumentDecoder
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider
from shared.contracts import Endpoint, Job

__all__ = ["OpenAI"]


class OpenAI:
    """How compatible servers differ is data: `Quirks` in the configuration."""

    def encode(
        self, job: Job, candidate: Candidate, provider: Provider, resume_text: str | None
    ) -> HttpCall | Unsupported:
        return encode(job, candidate, provider, resume_text)

    def decoder(self, envelope: Envelope) -> Decoder:
        if envelope.endpoint is Endpoint.EMBEDDINGS:
            return DocumentDecoder(lambda answer: read_embeddings(answer, envelope))
        return StreamDecoder(envelope) if envelope.streamed else WholeDecoder(envelope)

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        return failure_of(status, headers, body)

    def limits(self, headers: Mapping[str, str]) -> Sequence[RateLimit]:
        return x_ratelimits(headers)
