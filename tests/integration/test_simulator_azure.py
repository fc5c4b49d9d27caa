"""The official OpenAI client for Azure takes the simulator for Azure."""

from collections.abc import AsyncIterator

import openai
import pytest

from simulator import Config, Simulator, running_simulator

QUESTION = [{"role": "user", "content": "What is the answer?"}]


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(Config(seed=1, api_keys=("azure-key",))) as simulator:
        yield simulator


@pytest.fixture
async def client(sim: Simulator) -> AsyncIterator[openai.AsyncAzureOpenAI]:
    async with openai.AsyncAzureOpenAI(
        azure_endpoint=sim.url, api_key="azure-key", api_version="2024-10-21", max_retries=0, timeout=10
    ) as opened:
        yield opened


async def test_a_whole_answer_and_a_stream_say_the_same(client: openai.AsyncAzureOpenAI) -> None:
    whole = await client.chat.completions.create(model="prod-gpt", messages=QUESTION)
    stream = await client.chat.completions.create(
        model="prod-gpt", messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices == []
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == whole.choices[0].message.content
    assert chunks[-1].usage == whole.usage


async def test_embeddings_are_packed_as_the_client_asks(client: openai.AsyncAzureOpenAI) -> None:
    found = await client.embeddings.create(model="prod-embeddings", input=["one", "two"])
    assert [len(each.embedding) for each in found.data] == [8, 8]


async def test_errors_are_the_clients_own(sim: Simulator, client: openai.AsyncAzureOpenAI) -> None:
    stranger = client.with_options(api_key="nobody")
    with pytest.raises(openai.AuthenticationError, match="invalid subscription key"):
        await stranger.chat.completions.create(model="prod-gpt", messages=QUESTION)
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="prod-gpt;status=404", messages=QUESTION)
