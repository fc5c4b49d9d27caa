"""The one file that speaks HTTP to providers: a job and a candidate in, attempt events out.

httpx over aiohttp's connections: httpx's own pool looks at every connection whenever a request begins or ends, which
costs several times as much CPU per stream. Nothing is retried here, and nothing is taken from the environment: no
cookies, no proxies, no redirects. What an answer means is its dialect's business, whether it is one at all that of
`strangers.py`.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp
import httpx

from services.router_worker.events import AttemptEvent, Failed, LimitsTold
from services.router_worker.failures import Failure, FailureKind, Unsupported
from services.router_worker.providers.credentials import credentials_for
from services.router_worker.providers.dialect import Dialect, Envelope, HttpCall, envelope_of
from services.router_worker.providers.pace import Pace
from services.router_worker.providers.packets import PacketTransport, packets_of
from services.router_worker.providers.refusals import kind_of_status
from services.router_worker.providers.registry import DIALECTS
from services.router_worker.providers.signing import Credentials, NoCredentialsError
from services.router_worker.providers.strangers import Witness, in_its_place, stranger
from services.router_worker.providers.unpacking import PackedError
from services.router_worker.resilience.deadline import Deadline, Patience
from services.router_worker.routing.plan import Candidate
from shared.alarm import Alarm
from shared.clock import Clock
from shared.config.schema import Provider
from shared.contracts import Job
from shared.errors import OperatorError
from shared.ids import AttemptId

__all__ = ["Providers"]

_ERROR_BODY_BYTES = 64_000
_IDLE_SECONDS = 30
"""Shorter than the idle limits of the usual load balancers, so that they do not close what we are about to use."""

_SPENT: Final = httpx.ByteStream(b"")

_NETWORK: Final = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError)

_LIMIT_WORDS: Final[Mapping[FailureKind, str]] = {
    FailureKind.FIRST_TOKEN_TIMEOUT: "The provider did not begin to answer in time.",
    FailureKind.STALL: "The provider fell silent in the middle of the answer.",
    FailureKind.TOTAL_TIMEOUT: "The provider did not finish its answer in time.",
    FailureKind.DEADLINE: "The job's deadline passed during the answer.",
}


@dataclass(frozen=True, slots=True)
class _Line:
    """To one provider, as one account."""

    client: httpx.AsyncClient
    credentials: Credentials
    provider: Provider

    async def send(self, call: HttpCall, connect_seconds: float) -> httpx.Response:
        signed = await self.credentials.sign(call)
        timeout = httpx.Timeout(None, connect=connect_seconds)
        request = self.client.build_request(
            "POST", signed.url, headers=signed.headers, content=signed.body, timeout=timeout
        )
        return await self.client.send(request, stream=True)


class Providers:
    """Connections to all configured providers; entered once, for the life of the process."""

    def __init__(self, providers: Mapping[str, Provider], clock: Clock) -> None:
        self._providers = providers
        self._clock = clock
        self._lines: dict[tuple[str, int], _Line] = {}
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opened:
            await self._connect(opened)
            self._open = opened.pop_all()
        return self

    async def _connect(self, opened: AsyncExitStack) -> None:
        public = httpx.create_ssl_context(trust_env=False)
        for name, provider in self._providers.items():
            trusted = _trusting(name, provider.ca_file) if provider.ca_file else public
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=trusted, keepalive_timeout=_IDLE_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            client = await opened.enter_async_context(
                httpx.AsyncClient(
                    transport=PacketTransport(verify=trusted, trust_env=False, client=session),
                    trust_env=False,
                    follow_redirects=False,
                    cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                    headers={"user-agent": f"sluice/{version('sluice')}", "accept-encoding": "identity"},
                )
            )
            for number, account in enumerate(provider.accounts):
                credentials = credentials_for(account)
                opened.push_async_callback(credentials.close)
                self._lines[name, number] = _Line(client, credentials, account)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    def attempt(
        self,
        job: Job,
        candidate: Candidate,
        attempt_id: AttemptId,
        resume_text: str | None,
        deadline: datetime,
        *,
        key: int = 0,
        traceparent: str | None = None,
    ) -> AsyncGenerator[AttemptEvent, None]:
        """Call the candidate, with that key of its provider, and yield what it says.

        Never raises for what a provider does: the last event is `Finished` or `Failed`, at `deadline` at the latest.
        Cancelling it, or closing it (`contextlib.aclosing`), has closed the provider's connection when that returns.
        """
        line = self._lines[candidate.provider, key]
        provider = line.provider
        dialect = DIALECTS[provider.dialect]
        call = dialect.encode(job, candidate, provider, resume_text)
        if isinstance(call, Unsupported):
            return _nothing_but(Failed(call.failure))
        headers = {**call.headers, "x-client-request-id": attempt_id}
        if traceparent is not None:
            headers["traceparent"] = traceparent
        left = Deadline(deadline).seconds_left(self._clock())
        patience = Patience.of(candidate.timeouts, left, asyncio.get_running_loop().time())
        return _events(
            line, replace(call, headers=headers), dialect, envelope_of(job, candidate, provider, resume_text), patience
        )

    async def probe(self, provider: str, seconds: float) -> FailureKind | None:
        """The port `Probes`: any answer will do that is no fault of the server."""
        section, client = self._providers[provider], self._lines[provider, 0].client
        url = str(section.base_url).rstrip("/") + (section.probe or "")
        try:
            async with asyncio.timeout(seconds), client.stream("GET", url, timeout=seconds) as response:
                return kind_of_status(response.status_code) if response.is_server_error else None
        except (TimeoutError, *_NETWORK) as error:
            return FailureKind.CONNECT_TIMEOUT if isinstance(error, TimeoutError) else _mishap(error).kind

    def lacks(self, job: Job, candidate: Candidate) -> Unsupported | None:
        """What of the job the candidate could not be asked for; a request that is not here yet is looked at later."""
        if job.body_blob is not None:
            return None
        provider = self._providers[candidate.provider]
        call = DIALECTS[provider.dialect].encode(job, candidate, provider, None)
        return call if isinstance(call, Unsupported) else None


async def _nothing_but(event: AttemptEvent) -> AsyncGenerator[AttemptEvent, None]:
    yield event


async def _events(
    line: _Line, call: HttpCall, dialect: Dialect, envelope: Envelope, patience: Patience
) -> AsyncGenerator[AttemptEvent, None]:
    """One call, from the request to its last event. Afterwards its connection is closed, or free for the next call."""
    alarm, pace, decoder = Alarm(), Pace(patience, streamed=envelope.streamed), dialect.decoder(envelope)
    witness, response, cause = Witness(line.provider), None, None
    try:
        alarm.watch(pace.limit.at)
        response = await line.send(call, patience.timeouts.connect_seconds)
        witness.sent = response.request.headers
        greeting = witness.heard(*await _greeting(dialect, response))
        alarm.rest()
        for event in greeting:
            yield event
        if greeting and type(greeting[-1]) is Failed:
            return
        alarm.watch(pace.limit.at)
        async for packet in packets_of(response):
            alarm.rest()
            events = witness.heard(packet, decoder.feed(packet))
            for event in events:
                yield event
            if not pace.goes_on(events):
                cause = pace.complaint
                break
            alarm.watch(pace.limit.at)
    except asyncio.CancelledError:
        if not alarm.struck():
            raise
        cause = Failure(pace.limit.kind, _LIMIT_WORDS[pace.limit.kind])
    except (*_NETWORK, NoCredentialsError, PackedError) as error:
        cause = _mishap(error)
        witness.overheard(str(error))
    finally:
        alarm.close()
        await _release(response)
    for event in witness.heard(b"", decoder.close(cause)):
        yield event


async def _greeting(dialect: Dialect, response: httpx.Response) -> tuple[bytes, Sequence[AttemptEvent]]:
    """What is known before an answer's body, or, where it is a refusal, is the answer; with what was read for it."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    status = response.status_code
    limits = dialect.limits(headers)
    told = [LimitsTold(tuple(limits))] if limits else []
    failure = stranger(status, headers)
    if failure is None and status == HTTPStatus.OK:
        return b"", told
    body = await _some_of(response)
    return body, [*told, Failed(failure or in_its_place(dialect.failure(status, headers, body), body))]


async def _release(response: httpx.Response | None) -> None:
    if response is not None:
        await response.aclose()
        # httpx's answer and its stream hold each other, and the request's body: without this they stay, as much as
        # 32 MB a call, until the collector comes round.
        response.stream = _SPENT


async def _some_of(response: httpx.Response) -> bytes:
    """As much of a body that is no answer as comes, and as anybody reads."""
    body = bytearray()
    with suppress(*_NETWORK, PackedError):
        async for packet in packets_of(response):
            body += packet
            if len(body) >= _ERROR_BODY_BYTES:
                break
    return bytes(body)


def _trusting(name: str, ca_file: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # an SSLError is one too
        raise OperatorError(f"providers.{name}.ca_file: no certificates can be read from {ca_file}: {error}") from error


def _mishap(error: Exception) -> Failure:
    if isinstance(error, NoCredentialsError):
        return Failure(error.kind, str(error))
    if isinstance(error, PackedError):
        return Failure(FailureKind.MALFORMED, f"The provider's answer {error}.")
    # The names that httpx-aiohttp gives are too coarse: a lost connection comes as `ConnectTimeout`.
    cause = error.__cause__ if isinstance(error, httpx.HTTPError) else None
    kind, words = _what_happened(cause or error)
    return Failure(kind, words)


def _what_happened(cause: BaseException) -> tuple[FailureKind, str]:
    match cause:
        case aiohttp.ClientSSLError():
            return FailureKind.TLS, "No secure connection to the provider could be made."
        case aiohttp.ConnectionTimeoutError():
            return FailureKind.CONNECT_TIMEOUT, "The provider could not be reached in time."
        case aiohttp.ClientConnectorError() | aiohttp.InvalidURL() | httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return FailureKind.CONNECT, "The provider could not be reached."
        case aiohttp.ClientResponseError():
            return FailureKind.MALFORMED, "The provider's answer is not HTTP."
        case aiohttp.ClientError() | OSError() | httpx.NetworkError() | httpx.ProtocolError():
            return FailureKind.CUT, "The provider closed the connection in the middle of the answer."
        case _:
            return FailureKind.UNKNOWN, "The call to the provider failed."
