"""Anthropic's Messages API: platform.claude.com/docs/en/api/messages."""

from collections.abc import Mapping, Sequence

from services.router_worker.events import RateLimit
from services.router_worker.failures import Failure, Unsupported
from services.router_worker.providers.dialect import Decoder, Envelope, HttpCall
from services.router_worker.providers.dialects.anthropic.answer import MessageReader
from services.router_worker.providers.dialects.anthropic.limits import read_limits
from services.router_worker.providers.dialects.anthropic.refusal import failure_of
from services.router_worker.providers.dialects.anthropic.request import encode
from services.router_worker.providers.reading import AnswerDecoder
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider
from shared.contracts import Job

__all__ = ["Anthropic"]


class Anthropic:
    def encode(
        self, job: Job, candidate: Candidate, provider: Provider, resume_text: str | None
    ) -> HttpCall | Unsupported:
        return encode(job, candidate, provider, resume_text)

    def decoder(self, envelope: Envelope) -> Decoder:
        return AnswerDecoder(envelope, MessageReader)

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        return failure_of(status, headers, body)

    def limits(self, headers: Mapping[str, str]) -> Sequence[RateLimit]:
        return read_limits(headers)
