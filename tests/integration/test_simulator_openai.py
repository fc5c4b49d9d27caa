"""The official OpenAI client takes the simulator for OpenAI."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import httpx
import openai
import pytest

from simulator import Config, Quota, Script, Simulator, running_simulator

QUESTION = [{"role": "user", "content": "What is the answer?"}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
        },
    }
]
CONFIG = Config(
    seed=1,
    models={
        "talker": Script(tokens=40, cached_tokens=2, reasoning_tokens=5),
        "caller": Script(tools=2),
        "frugal": Script(tokens=5),
    },
    quotas={"frugal": Quota(rpm=1, tpm=1000)},
    api_keys=("sk-good", "sk-other"),
)


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(CONFIG) as simulator:
        yield simulator


@pytest.fixture
async def client(sim: Simulator) -> AsyncIterator[openai.AsyncOpenAI]:
    async with client_of(sim, "sk-good") as opened:
        yield opened


def client_of(sim: Simulator, key: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{sim.url}/v1", api_key=key, max_retries=0, timeout=10)


async def ask(client, model="talker", **options):
    return await client.chat.completions.create(model=model, messages=QUESTION, **options)


async def scripted(client, script, **options):
    return await ask(client, extra_headers={"x-sim-script": script}, **options)


async def read(stream):
    return [chunk async for chunk in stream]


def text(chunks, choice=0):
    parts = (part for chunk in chunks for part in chunk.choices if part.index == choice)
    return "".join(part.delta.content or "" for part in parts)


async def test_models_are_listed(client):
    assert [model.id async for model in client.models.list()] == ["talker", "caller", "frugal"]


async def test_a_whole_answer_with_its_usage(client):
    answer = await ask(client)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.role == "assistant"
    assert answer.usage.completion_tokens == 45
    assert answer.usage.completion_tokens_details.reasoning_tokens == 5
    assert answer.usage.prompt_tokens_details.cached_tokens == 2


async def test_a_stream_says_what_the_whole_answer_says(client):
    chunks = await read(await ask(client, stream=True))
    assert text(chunks) == (await ask(client)).choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len({chunk.id for chunk in chunks}) == 1


async def test_usage_is_streamed_to_those_who_ask(client):
    chunks = await read(await ask(client, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == []
    assert chunks[-1].usage == (await ask(client)).usage
    assert all(chunk.usage is None for chunk in chunks[:-1])


async def test_two_choices(client):
    chunks = await read(await ask(client, stream=True, n=2))
    answer = await ask(client, n=2)
    assert [text(chunks, choice) for choice in (0, 1)] == [choice.message.content for choice in answer.choices]
    assert answer.usage.completion_tokens == 90


async def test_log_probabilities(client):
    answer = await ask(client, logprobs=True, top_logprobs=3)
    spoken = answer.choices[0].logprobs.content
    assert "".join(likelihood.token for likelihood in spoken) == answer.choices[0].message.content
    assert {len(likelihood.top_logprobs) for likelihood in spoken} == {3}
    chunks = await read(await ask(client, stream=True, logprobs=True))
    assert sum(bool(chunk.choices[0].logprobs) for chunk in chunks) == 40


async def test_parallel_tool_calls(client):
    answer = await ask(client, "caller", tools=TOOLS)
    assert answer.choices[0].finish_reason == "tool_calls"
    for call in answer.choices[0].message.tool_calls:
        assert set(json.loads(call.function.arguments)) == {"city", "days"}
    async with client.chat.completions.stream(model="caller", messages=QUESTION, tools=TOOLS) as stream:
        streamed = await stream.get_final_completion()
    assert [call.function.arguments for call in streamed.choices[0].message.tool_calls] == [
        call.function.arguments for call in answer.choices[0].message.tool_calls
    ]


async def test_the_maximum_is_kept(client):
    answer = await ask(client, max_completion_tokens=12)
    assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == ("length", 12)


async def test_an_answer_can_be_continued(client):
    whole = (await ask(client)).choices[0].message.content
    beginning = {"role": "assistant", "content": whole[:50]}
    answer = await client.chat.completions.create(model="talker", messages=[*QUESTION, beginning])
    assert whole[:50] + answer.choices[0].message.content == whole


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_scripted_status_becomes_the_clients_error(client, status, error, stream):
    with pytest.raises(error) as caught:
        await scripted(client, f"status={status};retry_after=3;retry_after_ms=2500", stream=stream)
    assert caught.value.response.headers["retry-after"] == "3"
    assert caught.value.response.headers["retry-after-ms"] == "2500"
    assert caught.value.request_id.startswith("req_")
    assert set(caught.value.body) == {"message", "type", "param", "code"}


async def test_the_client_retries_after_a_refusal_and_gets_its_answer(sim):
    async with client_of(sim, "sk-good").with_options(max_retries=1) as patient:
        answer = await scripted(patient, "status=503;retry_after_ms=1;first=1")
    assert answer.choices[0].finish_reason == "stop"
    assert [record.status for record in sim.served()] == [503, 200]


async def test_an_error_inside_a_stream_is_raised(client):
    stream = await scripted(client, "error_after=3;error_message=out of luck", stream=True)
    with pytest.raises(openai.APIError, match="out of luck"):
        await read(stream)


@pytest.mark.parametrize("fault", ["cut_after=3", "cut_after=3;cut_by=reset", "hang_up=close", "hang_up=reset"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_lost_connection_is_noticed(client, fault, stream):
    with pytest.raises(openai.APIConnectionError):
        await read(await scripted(client, fault, stream=stream))


async def test_a_silent_provider_runs_into_the_clients_timeout(sim, client):
    with pytest.raises(openai.APITimeoutError):
        await scripted(client.with_options(timeout=httpx.Timeout(10, read=0.2)), "stall_after=0")
    async with asyncio.timeout(20):
        while not sim.served():
            await asyncio.sleep(0.01)
    assert (sim.served()[0].finished, sim.served()[0].output_tokens) == ("stalled", 0)


async def test_an_empty_answer_is_an_answer(client):
    assert (await scripted(client, "tokens=0")).choices[0].message.content == ""
    assert text(await read(await scripted(client, "tokens=0", stream=True))) == ""


@pytest.mark.parametrize("manner", ["split=3", "drip_bytes=200;drip_gap=0.0005"])
async def test_odd_packets_change_nothing(client, manner):
    expected = (await ask(client)).choices[0].message.content
    assert text(await read(await scripted(client, manner, stream=True))) == expected
    assert (await scripted(client, manner)).choices[0].message.content == expected


@pytest.mark.parametrize("key", ["sk-wrong", "ключ"])
async def test_a_wrong_key_is_refused(sim, key):
    body = {"model": "talker", "messages": QUESTION}
    async with httpx.AsyncClient(base_url=sim.url) as http:
        headers = {"authorization": f"Bearer {key}".encode()}
        answer = await http.post("/v1/chat/completions", headers=headers, json=body)
        listing = await http.get("/v1/models", headers=headers)
    assert (answer.status_code, listing.status_code) == (401, 401)
    assert answer.json()["error"]["code"] == "invalid_api_key"
    assert key not in answer.text


async def test_a_wrong_key_is_the_clients_authentication_error(sim):
    async with client_of(sim, "sk-wrong") as stranger:
        with pytest.raises(openai.AuthenticationError):
            await ask(stranger)


async def test_an_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as caught:
        await ask(client, "nobody")
    assert caught.value.code == "model_not_found"


async def test_the_second_call_of_a_minute_is_over_the_quota(client):
    began = time.monotonic()
    first = await client.chat.completions.with_raw_response.create(model="frugal", messages=QUESTION)
    assert first.headers["x-ratelimit-remaining-requests"] == "0"
    assert first.headers["x-ratelimit-limit-tokens"] == "1000"
    with pytest.raises(openai.RateLimitError, match="Rate limit reached for frugal") as caught:
        await ask(client, "frugal")
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.type == "requests"
    assert 60 - (time.monotonic() - began) <= int(caught.value.response.headers["retry-after"]) <= 60
    assert caught.value.response.headers["x-ratelimit-limit-requests"] == "1"


async def test_each_key_has_its_own_quota(sim, client):
    await ask(client, "frugal")
    async with client_of(sim, "sk-other") as other:
        await ask(other, "frugal")
