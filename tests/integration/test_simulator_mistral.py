"""The official Mistral client takes the simulator for Mistral."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from mistralai.client import Mistral
from mistralai.client.errors import SDKError

from simulator import Simulator, running_simulator
from tests.suites.official_clients import QUESTION, TOOLS, a_provider


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(a_provider("mi-good")) as simulator:
        yield simulator


@pytest.fixture
async def client(sim: Simulator) -> AsyncIterator[Mistral]:
    async with Mistral(api_key="mi-good", server_url=f"{sim.url}/mistral") as client:
        yield client


async def whole(client: Mistral, model: str, **options: Any) -> Any:
    return await client.chat.complete_async(model=model, messages=QUESTION, **options)  # type: ignore[arg-type]


async def chunks_of(client: Mistral, model: str, **options: Any) -> list[Any]:
    stream = await client.chat.stream_async(model=model, messages=QUESTION, **options)  # type: ignore[arg-type]
    async with stream as events:
        return [event.data async for event in events]


async def test_a_stream_adds_up_to_the_whole_answer(client: Mistral) -> None:
    answer, chunks = await whole(client, "talker"), await chunks_of(client, "talker")
    assert "".join(chunk.choices[0].delta.content for chunk in chunks) == answer.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == answer.choices[0].finish_reason == "stop"
    assert [chunk.usage is None for chunk in chunks[:-1]] == [True] * (len(chunks) - 1)
    for usage in (answer.usage, chunks[-1].usage):
        assert usage.completion_tokens == 20
        assert usage.total_tokens == usage.prompt_tokens + 20
        assert usage.additional_properties["prompt_tokens_details"] == {"cached_tokens": 2}


async def test_thoughts_stand_in_the_content(client: Mistral) -> None:
    answer = await whole(client, "thinker", reasoning_effort="high")
    thought, text = answer.choices[0].message.content
    assert thought.thinking[0].text
    assert text.text
    chunks = await chunks_of(client, "thinker", reasoning_effort="high")
    contents = [chunk.choices[0].delta.content for chunk in chunks]
    thoughts = [part.thinking[0].text for content in contents if isinstance(content, list) for part in content]
    assert "".join(thoughts) == thought.thinking[0].text
    assert "".join(content for content in contents if isinstance(content, str)) == text.text


async def test_tools_are_called_whole(client: Mistral) -> None:
    answer, chunks = await whole(client, "caller", tools=TOOLS), await chunks_of(client, "caller", tools=TOOLS)
    calls = answer.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["get_weather", "get_weather"]
    assert all(len(call.id) == 9 for call in calls)
    assert [call.id for call in chunks[-1].choices[0].delta.tool_calls] == [call.id for call in calls]
    assert chunks[-1].choices[0].finish_reason == answer.choices[0].finish_reason == "tool_calls"


async def test_an_answer_goes_on_behind_its_prefix(client: Mistral) -> None:
    text = (await whole(client, "talker")).choices[0].message.content
    messages: list[Any] = [*QUESTION, {"role": "assistant", "content": text[:12], "prefix": True}]
    answer = await client.chat.complete_async(model="talker", messages=messages)
    assert answer.choices[0].message.content == text[12:]
    messages[-1] = {"role": "assistant", "content": text[:12]}
    with pytest.raises(SDKError, match="prefix True"):
        await client.chat.complete_async(model="talker", messages=messages)


async def test_embeddings(client: Mistral) -> None:
    answer = await client.embeddings.create_async(model="embedder", inputs=["one", "two"], output_dimension=4)
    assert [len(each.embedding or ()) for each in answer.data] == [4, 4]
    assert answer.usage.prompt_tokens


async def test_what_it_does_not_know_it_refuses(sim: Simulator) -> None:
    body = {"model": "talker", "messages": QUESTION, "stream_options": {"include_usage": True}}
    async with httpx.AsyncClient(headers={"authorization": "Bearer mi-good"}) as line:
        answer = await line.post(f"{sim.url}/mistral/v1/chat/completions", json=body)
    assert (answer.status_code, answer.json()["detail"][0]["loc"]) == (422, ["body", "stream_options"])
    async with Mistral(api_key="mi-bad", server_url=f"{sim.url}/mistral") as stranger:
        with pytest.raises(SDKError, match="401"):
            await whole(stranger, "talker")


async def test_limits_are_told(client: Mistral) -> None:
    await whole(client, "frugal")
    with pytest.raises(SDKError, match="Rate limit exceeded") as refused:
        await whole(client, "frugal")
    assert refused.value.headers["x-ratelimit-limit-req-minute"] == "1"
    assert refused.value.headers["x-ratelimit-remaining-req-minute"] == "0"


async def test_models_are_listed(client: Mistral) -> None:
    listed = await client.models.list_async()
    assert {model.id for model in listed.data or ()} == {"talker", "thinker", "caller", "frugal", "embedder"}
