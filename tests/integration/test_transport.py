"""Providers over real HTTP: those that behave, and those that do not."""

import asyncio
import gc
import socket
import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx
import orjson
import pytest

from services.router_worker.events import Answered, Chunk, Failed, Finished, LimitsTold, UsageReported
from services.router_worker.providers.transport import Providers
from shared.clock import utc_now
from shared.config.schema import Provider
from shared.ids import completion_id
from simulator import Config, Quota, Simulator, running_simulator
from tests.suites.provider_calls import (
    a_candidate,
    a_job,
    called,
    connected,
    name_of,
    text_of,
    until,
)
from tests.suites.timing import soon


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(Config(seed=1, api_keys=("sk-secret",))) as simulator:
        yield simulator


@pytest.fixture
async def providers(sim: Simulator) -> AsyncIterator[Providers]:
    async with connected(sim.url + "/v1") as providers:
        yield providers


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


@pytest.mark.parametrize("script", ["tokens=5", "status=500", "tokens=5;cut_after=2"])
async def test_a_call_that_is_over_keeps_nothing_of_its_body(providers: Providers, script: str) -> None:
    """Without the collector, which comes round rarely: bodies may have many megabytes."""
    gc.collect()
    gc.disable()
    try:
        await called(providers, script)
        kept = [thing for thing in gc.get_objects() if isinstance(thing, httpx.Request)]
    finally:
        gc.enable()
    assert kept == []


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


async def test_what_the_headers_say_of_limits_comes_before_the_answer_and_before_a_refusal() -> None:
    config = Config(seed=1, quota=Quota(rpm=1, tpm=1_000))
    async with running_simulator(config) as sim, connected(sim.url + "/v1") as providers:
        for ending in (Finished, Failed):
            told, *_, last = await called(providers, "tokens=5")
            assert isinstance(told, LimitsTold)
            assert [(limit.kind, limit.limit) for limit in told.limits] == [("requests", 1), ("tokens", 1_000)]
            assert told.limits[0].remaining == 0
            assert isinstance(last, ending)


async def test_a_parameter_that_may_be_left_out_is_left_out(sim: Simulator) -> None:
    section = {"base_url": sim.url + "/v1", "api_key": "sk-secret", "drop": ["seed", "messages.name"]}
    async with Providers({"p": Provider.model_validate(section)}, utc_now) as providers:
        job = a_job(seed=7, top_p=0.5, messages=[{"role": "user", "name": "Ann", "content": "Hi"}])
        await called(providers, "tokens=1", job=job)
    request = sim.request(name_of(job))
    assert request is not None
    body = orjson.loads(request.body)
    assert body["top_p"] == 0.5
    assert "seed" not in body
    assert body["messages"] == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize("script", ["split=3", "drip_bytes=7;drip_gap=0", "usage=with_finish"])
async def test_how_the_bytes_come_does_not_matter(providers: Providers, script: str) -> None:
    smooth, odd = await called(providers, "tokens=9"), await called(providers, f"tokens=9;{script}")
    assert text_of(odd) == text_of(smooth)
    assert odd[-2:] == smooth[-2:]


@pytest.mark.parametrize("script", ["opening=30", "first_token=30", "tokens=1000;gap=0.02"])
async def test_a_cancelled_call_is_closed_at_the_provider_at_once(
    sim: Simulator, providers: Providers, script: str
) -> None:
    async def cancelled() -> float:
        job, before = a_job(), len(sim.served())
        task = asyncio.ensure_future(called(providers, script, job=job))
        await until(lambda: sim.request(name_of(job)) is not None)
        task.cancel()
        began = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: len(sim.served()) > before)
        assert sim.served()[-1].finished == "client_left"
        return time.monotonic() - began

    assert await soon(cancelled, 0.2)


async def test_a_call_whose_reader_leaves_is_closed_at_the_provider_at_once(
    sim: Simulator, providers: Providers
) -> None:
    async def left() -> float:
        job, before = a_job(), len(sim.served())
        calls = providers.attempt(job, a_candidate("tokens=1000;gap=0.02"), name_of(job), None, job.deadline)
        async with aclosing(calls) as events:
            async for event in events:
                if isinstance(event, Chunk) and event.is_output:
                    break
        began = time.monotonic()
        await until(lambda: len(sim.served()) > before)
        assert sim.served()[-1].finished == "client_left"
        return time.monotonic() - began

    assert await soon(left, 0.2)


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
