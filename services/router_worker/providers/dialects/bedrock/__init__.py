"""Amazon Bedrock by Converse and ConverseStream: docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.

Behind it are models of many makers, which Converse lets speak alike. Its streams are binary, so botocore is needed for
them (`sluice[bedrock]`), and for signatures; it is imported with the first of either.
"""

from collections.abc import Mapping, Sequence

from services.router_worker.events import RateLimit
from services.router_worker.failures import Failure, Unsupported
from services.router_worker.providers.chat import UnsupportedError
from services.router_worker.providers.dialect import Decoder, Envelope, HttpCall
from services.router_worker.providers.dialects.bedrock.answer import MessageReader
from services.router_worker.providers.dialects.bedrock.framing import EventStreamFraming, NoFraming
from services.router_worker.providers.dialects.bedrock.refusal import failure_of
from services.router_worker.providers.dialects.bedrock.request import calling
from services.router_worker.providers.reading import AnswerDecoder
from services.router_worker.routing.plan import Candidate
from shared.config.schema import Provider
from shared.contracts import Job

__all__ = ["Bedrock"]


class Bedrock:
    def encode(
        self, job: Job, candidate: Candidate, provider: Provider, resume_text: str | None
    ) -> HttpCall | Unsupported:
        try:
            return calling(job, candidate, provider, resume_text)
        except UnsupportedError as lacking:
            return lacking.what

    def decoder(self, envelope: Envelope) -> Decoder:
        return AnswerDecoder(envelope, MessageReader, EventStreamFraming if envelope.streamed else NoFraming)

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> Failure:
        return failure_of(status, headers, body)

    def limits(self, _headers: Mapping[str, str]) -> Sequence[RateLimit]:
        """None are told: how much is left shows in refusals alone."""
        return ()
