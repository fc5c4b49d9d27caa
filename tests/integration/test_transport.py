"""Providers over real HTTP: those that behave, and those that do not."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import orjson
import pytest

from services.router_worker.events import Answered, AttemptEvent, Chunk, Failed, Finished, UsageReported
from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.transport import Providers
from services.router_worker.routing.plan import Candidate
from shared.clock import utc_now
from shared.config.schema import Provider, Timeouts
from shared.contracts import Door, Interruption, Job, Lane
from shared.ids import AttemptId, attempt_id, completion_id, new_job_id
from simulator import Config, Simulator, running_simulator

TEST_SECONDS = 10
PATIENT = Timeouts(connect_seconds=5, first_token_seconds=5, between_tokens_seconds=5, total_seconds=10)


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(Config(seed=1, api_keys=("sk-secret",))) as simulator:
        yield simulator


@pytest.fixture
async def providers(sim: Simulator) -> AsyncIterator[Providers]:
    async with connected(sim.url + "/v1") as providers:
        yield providers


@asynccontextmanager
async def connected(base_url: str) -> AsyncIterator[Providers]:
    section = {"base_url": base_url, "api_key": "sk-secret", "headers": {"x-team": "blue"}}
    async with Providers({"p": Provider.model_validate(section)}, utc_now) as providers:
        yield providers


@asynccontextmanager
async def listening(greeting: bytes, *, for_ever: bytes = b"") -> AsyncIterator[str]:
    """A server that says its own to everybody: `host:port`."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read(10)
            writer.write(greeting)
            while for_ever:
                writer.write(for_ever)
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def a_job(*, streamed: bool = True, seconds: float = 60, **body: Any) -> Job:
    now = utc_now()
    return Job(
        id=new_job_id(),
        tenant="t",
        caller="c",
        door=Door.JOBS,
        lane=Lane.BATCH,
        model="m",
        body={"model": "m", "messages": [{"role": "user", "content": "Tell me."}], **body},
        streamed=streamed,
        on_interrupt=Interruption.RESTART,
        input_tokens=3,
        accepted_at=now,
        deadline=now + timedelta(seconds=seconds),
    )


def a_candidate(script: str = "", timeouts: Timeouts = PATIENT) -> Candidate:
    return Candidate("p/m", "p", f"m;{script}" if script else "m", "m", timeouts)


def name_of(job: Job) -> AttemptId:
    return attempt_id(job.id, 1)


async def called(
    providers: Providers, script: str = "", *, job: Job | None = None, timeouts: Timeouts = PATIENT, resume: str = ""
) -> list[AttemptEvent]:
    job = job or a_job()
    async with asyncio.timeout(TEST_SECONDS):
        calls = providers.attempt(job, a_candidate(script, timeouts), name_of(job), resume or None, job.deadline)
        async with aclosing(calls) as events:
            return [event async for event in events]


async def failed(providers: Providers, script: str, **call: Any) -> Failure:
    ending = (await called(providers, script, **call))[-1]
    assert isinstance(ending, Failed)
    return ending.failure


async def until(condition: Callable[[], bool], seconds: float = TEST_SECONDS) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


async def busy_reading(seconds: float) -> None:
    later = time.monotonic() + seconds
    await until(lambda: time.monotonic() > later)


def text_of(events: list[AttemptEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Chunk))


async def test_a_streamed_answer_comes_chunk_by_chunk_and_ends_with_its_usage(
    sim: Simulator, providers: Providers
) -> None:
    job = a_job()
    *chunks, usage, ending = await called(providers, "tokens=20", job=job)
    served = sim.served()[-1]
    assert sum(isinstance(event, Chunk) and event.is_output for event in chunks) == 20
    assert isinstance(usage, UsageReported)
    assert usage.usage.output == served.output_tokens_written == 20
    assert usage.usage.input == served.prompt_tokens
    assert ending == Finished("stop", "m")
    assert {orjson.loads(event.data)["id"] for event in chunks if isinstance(event, Chunk)} == {completion_id(job.id)}


async def test_an_answer_in_one_piece_comes_whole(providers: Providers) -> None:
    answered, usage, ending = await called(providers, "tokens=5", job=a_job(streamed=False))
    assert isinstance(answered, Answered)
    assert isinstance(usage, UsageReported)
    assert isinstance(ending, Finished)


async def test_the_provider_gets_the_callers_body_under_its_own_name_for_the_model(
    sim: Simulator, providers: Providers
) -> None:
    job = a_job(temperature=0.5, a_field_of_tomorrow={"x": 1})
    await called(providers, "tokens=1", job=job)
    request = sim.request(name_of(job))
    assert request is not None
    body = orjson.loads(request.body)
    assert body["model"] == "m;tokens=1"
    assert body["temperature"] == 0.5
    assert body["a_field_of_tomorrow"] == {"x": 1}


async def test_the_headers_name_the_attempt_and_ask_for_plain_bytes(sim: Simulator, providers: Providers) -> None:
    job = a_job()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    calls = providers.attempt(job, a_candidate(), name_of(job), None, job.deadline, traceparent=trace)
    async with aclosing(calls) as events:
        assert [event async for event in events]
    request = sim.request(name_of(job))
    assert request is not None
    assert request.header(b"authorization") == "Bearer sk-secret"
    assert request.header(b"accept-encoding") == "identity"
    assert request.header(b"x-team") == "blue"
    assert request.header(b"traceparent") == trace
    assert (request.header(b"user-agent") or "").startswith("sluice/")
    assert request.header(b"cookie") is None


async def test_a_continued_answer_goes_on_behind_what_was_shown(providers: Providers) -> None:
    whole = text_of(await called(providers, "tokens=20"))
    assert text_of(await called(providers, "tokens=20", resume=whole[:11])) == whole[11:]


async def test_a_connection_is_used_again(sim: Simulator, providers: Providers) -> None:
    for script in ("tokens=3", "tokens=3", "status=500", "tokens=3"):
        await called(providers, script)
        await called(providers, script, job=a_job(streamed=False))
    assert len(sim.connections) == 1


async def test_many_calls_run_at_once_on_connections_of_their_own(sim: Simulator, providers: Providers) -> None:
    calls = [asyncio.ensure_future(called(providers, "stall_after=1")) for _ in range(150)]
    await until(lambda: len(sim.connections) == 150)
    for call in calls:
        call.cancel()
    assert all(isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*calls, return_exceptions=True))
    await until(lambda: not sim.connections)


async def test_a_cookie_is_not_kept_for_the_next_tenant() -> None:
    requests: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 500 Oops\r\nset-cookie: who=first\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, connected(f"http://localhost:{port}/v1") as providers:
        await called(providers)
        await called(providers)
    assert len(requests) == 2
    assert b"who=first" not in requests[1]


@pytest.mark.parametrize("script", ["split=3", "drip_bytes=7;drip_gap=0", "usage=with_finish"])
async def test_how_the_bytes_come_does_not_matter(providers: Providers, script: str) -> None:
    smooth, odd = await called(providers, "tokens=9"), await called(providers, f"tokens=9;{script}")
    assert text_of(odd) == text_of(smooth)
    assert odd[-2:] == smooth[-2:]


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("status=500", FailureKind.SERVER_ERROR),
        ("status=502;body=<html>", FailureKind.SERVER_ERROR),
        ("status=503", FailureKind.OVERLOADED),
        ("status=400;code=context_length_exceeded", FailureKind.CONTEXT_TOO_LONG),
        ("status=401", FailureKind.AUTH),
        ("status=404", FailureKind.MODEL_NOT_FOUND),
        ("hang_up=close", FailureKind.CUT),
        ("hang_up=reset", FailureKind.CUT),
        ("cut_after=3", FailureKind.CUT),
        ("cut_after=3;cut_by=reset", FailureKind.CUT),
        ("malformed_after=3", FailureKind.MALFORMED),
        ("error_after=3", FailureKind.SERVER_ERROR),
    ],
)
async def test_a_failure_of_the_provider_is_the_last_event(
    providers: Providers, script: str, kind: FailureKind, streamed: bool
) -> None:
    assert (await failed(providers, script, job=a_job(streamed=streamed))).kind is kind


async def test_what_came_before_a_cut_is_not_lost(providers: Providers) -> None:
    events = await called(providers, "cut_after=3")
    assert sum(isinstance(event, Chunk) and event.is_output for event in events) == 3


async def test_an_answer_that_failed_is_not_read_on(sim: Simulator, providers: Providers) -> None:
    async with asyncio.timeout(2):
        await called(providers, "malformed_after=2;tokens=1000;gap=0.05")
        await until(lambda: bool(sim.served()))
    assert sim.served()[-1].finished == "client_left"


async def test_a_rate_limit_says_how_long_to_wait(providers: Providers) -> None:
    failure = await failed(providers, "status=429;retry_after=7")
    assert failure.kind is FailureKind.RATE_LIMITED
    assert failure.status == 429
    assert failure.retry_after == timedelta(seconds=7)


async def test_a_refused_key_is_not_told_to_the_caller(sim: Simulator) -> None:
    section = Provider.model_validate({"base_url": sim.url + "/v1", "api_key": "sk-wrong-0123456789"})
    async with Providers({"p": section}, utc_now) as providers:
        failure = await failed(providers, "")
    assert failure.kind is FailureKind.AUTH
    assert "wrong" not in str(failure)


async def test_a_refused_connection_is_known(unused_port: int) -> None:
    async with connected(f"http://127.0.0.1:{unused_port}/v1") as providers:
        assert (await failed(providers, "")).kind is FailureKind.CONNECT


async def test_a_name_that_nobody_has_is_known() -> None:
    async with connected("http://no-such-host.invalid/v1") as providers:
        assert (await failed(providers, "")).kind is FailureKind.CONNECT


async def test_a_server_that_does_not_accept_is_given_up_in_time() -> None:
    # A backlog that is full leaves the handshake hanging, as a host behind a silent firewall does.
    with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        timeouts = PATIENT.model_copy(update={"connect_seconds": 0.1})
        async with connected(f"http://127.0.0.1:{deaf.getsockname()[1]}/v1") as providers:
            assert (await failed(providers, "", timeouts=timeouts)).kind is FailureKind.CONNECT_TIMEOUT


async def test_a_server_that_speaks_no_tls_is_not_spoken_to() -> None:
    async with (
        listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address,
        connected(f"https://{address}/v1") as providers,
    ):
        assert (await failed(providers, "")).kind is FailureKind.TLS


async def test_what_is_not_http_is_malformed() -> None:
    async with listening(b"SSH-2.0-OpenSSH_9.9\r\n") as address, connected(f"http://{address}/v1") as providers:
        assert (await failed(providers, "")).kind is FailureKind.MALFORMED


async def test_an_error_body_without_end_is_not_read_for_ever() -> None:
    greeting = b"HTTP/1.1 500 Oops\r\nconnection: close\r\n\r\n"
    async with listening(greeting, for_ever=b"x" * 10_000) as address, connected(f"http://{address}/v1") as providers:
        assert (await failed(providers, "")).kind is FailureKind.SERVER_ERROR


async def test_an_answer_that_is_bytes_without_end_is_not_read_for_ever() -> None:
    greeting = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\ndata: "
    async with listening(greeting, for_ever=b"x" * 100_000) as address, connected(f"http://{address}/v1") as providers:
        assert (await failed(providers, "")).kind is FailureKind.MALFORMED


async def test_the_failure_of_a_status_counts_though_its_body_breaks_off() -> None:
    greeting = b"HTTP/1.1 429 Slow\r\nretry-after: 3\r\ncontent-length: 100\r\n\r\n{"
    async with listening(greeting) as address, connected(f"http://{address}/v1") as providers:
        failure = await failed(providers, "")
    assert failure.kind is FailureKind.RATE_LIMITED
    assert failure.retry_after == timedelta(seconds=3)


@pytest.mark.parametrize(
    ("script", "timeouts", "kind"),
    [
        ("opening=30", {"first_token_seconds": 0.1}, FailureKind.FIRST_TOKEN_TIMEOUT),
        ("first_token=30", {"first_token_seconds": 0.1}, FailureKind.FIRST_TOKEN_TIMEOUT),
        ("stall_after=2", {"between_tokens_seconds": 0.1}, FailureKind.STALL),
        ("tokens=1000;gap=0.02", {"total_seconds": 0.2, "between_tokens_seconds": 0.1}, FailureKind.TOTAL_TIMEOUT),
    ],
)
async def test_every_phase_has_its_limit(
    providers: Providers, script: str, timeouts: dict[str, float], kind: FailureKind
) -> None:
    began = time.monotonic()
    assert (await failed(providers, script, timeouts=PATIENT.model_copy(update=timeouts))).kind is kind
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("script", ["opening=30", "first_token=30", "stall_after=2", "tokens=1000;gap=0.02"])
async def test_the_jobs_deadline_ends_every_phase(providers: Providers, script: str) -> None:
    assert (await failed(providers, script, job=a_job(seconds=0.2))).kind is FailureKind.DEADLINE


async def test_an_answer_in_one_piece_may_take_longer_than_a_first_token(providers: Providers) -> None:
    timeouts = PATIENT.model_copy(update={"first_token_seconds": 0.1})
    events = await called(providers, "first_token=0.3", job=a_job(streamed=False), timeouts=timeouts)
    assert isinstance(events[-1], Finished)


async def test_the_time_that_the_reader_takes_is_not_the_providers(providers: Providers) -> None:
    job = a_job()
    timeouts = PATIENT.model_copy(update={"between_tokens_seconds": 0.1})
    events = []
    calls = providers.attempt(job, a_candidate("tokens=9;gap=0.02", timeouts), name_of(job), None, job.deadline)
    async with asyncio.timeout(TEST_SECONDS), aclosing(calls) as answer:
        async for event in answer:
            events.append(event)
            if len(events) == 5:
                await busy_reading(0.2)
    assert isinstance(events[-1], Finished)


@pytest.mark.parametrize("script", ["opening=30", "first_token=30", "tokens=1000;gap=0.02"])
async def test_a_cancelled_call_is_closed_at_the_provider_at_once(
    sim: Simulator, providers: Providers, script: str
) -> None:
    job = a_job()
    task = asyncio.ensure_future(called(providers, script, job=job))
    await until(lambda: sim.request(name_of(job)) is not None)
    task.cancel()
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: bool(sim.served()))
    assert time.monotonic() - began < 0.2
    assert sim.served()[-1].finished == "client_left"


async def test_a_call_whose_reader_leaves_is_closed_at_the_provider_at_once(
    sim: Simulator, providers: Providers
) -> None:
    job = a_job()
    calls = providers.attempt(job, a_candidate("tokens=1000;gap=0.02"), name_of(job), None, job.deadline)
    async with aclosing(calls) as events:
        async for event in events:
            if isinstance(event, Chunk) and event.is_output:
                break
    began = time.monotonic()
    await until(lambda: bool(sim.served()))
    assert time.monotonic() - began < 0.2
    assert sim.served()[-1].finished == "client_left"


async def test_nothing_is_taken_from_the_environment(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port}")
    async with connected(sim.url + "/v1") as providers:
        assert isinstance((await called(providers, "tokens=1"))[-1], Finished)


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
