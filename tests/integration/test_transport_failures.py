"""Providers that fail, in every phase of a call, and what is known of it afterwards."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import timedelta

import pytest

from services.router_worker.events import Chunk, Finished
from services.router_worker.failures import FailureKind
from services.router_worker.providers.transport import Providers
from shared.clock import utc_now
from shared.config.schema import Provider
from simulator import Config, Simulator, running_simulator
from tests.suites.provider_calls import (
    PATIENT,
    TEST_SECONDS,
    a_candidate,
    a_job,
    busy_reading,
    called,
    connected,
    failed,
    listening,
    name_of,
    until,
)


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(Config(seed=1, api_keys=("sk-secret",))) as simulator:
        yield simulator


@pytest.fixture
async def providers(sim: Simulator) -> AsyncIterator[Providers]:
    async with connected(sim.url + "/v1") as providers:
        yield providers


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
    async with asyncio.timeout(20):  # of the fifty that the answer takes
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
        ("tokens=1000;gap=0.02", {"total_seconds": 2, "between_tokens_seconds": 1.5}, FailureKind.TOTAL_TIMEOUT),
    ],
)
async def test_every_phase_has_its_limit(
    providers: Providers, script: str, timeouts: dict[str, float], kind: FailureKind
) -> None:
    began = time.monotonic()
    assert (await failed(providers, script, timeouts=PATIENT.model_copy(update=timeouts))).kind is kind
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("script", ["opening=30", "first_token=30", "stall_after=2", "tokens=1000;gap=0.02"])
async def test_the_jobs_deadline_ends_every_phase(providers: Providers, script: str) -> None:
    assert (await failed(providers, script, job=a_job(seconds=0.2))).kind is FailureKind.DEADLINE


async def test_an_answer_in_one_piece_may_take_longer_than_a_first_token(providers: Providers) -> None:
    timeouts = PATIENT.model_copy(update={"first_token_seconds": 0.1})
    events = await called(providers, "first_token=0.3", job=a_job(streamed=False), timeouts=timeouts)
    assert isinstance(events[-1], Finished)


async def test_the_time_that_the_reader_takes_is_not_the_providers(providers: Providers) -> None:
    job = a_job()
    timeouts = PATIENT.model_copy(update={"between_tokens_seconds": 1.0})
    events = []
    calls = providers.attempt(job, a_candidate("tokens=9;gap=0.02", timeouts), name_of(job), None, job.deadline)
    async with asyncio.timeout(TEST_SECONDS), aclosing(calls) as answer:
        async for event in answer:
            events.append(event)
            if len(events) == 5:
                await busy_reading(1.5)
    assert isinstance(events[-1], Finished)


@pytest.fixture
def unused_port() -> Iterator[int]:
    """Nobody listens at it, nor can meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
