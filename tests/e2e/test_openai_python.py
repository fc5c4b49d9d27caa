"""The official Python SDK, pointed at Sluice, cannot tell the difference."""

import asyncio

import asyncpg
import openai
import orjson
import pytest

CUT = {"tokens": 60, "cut_after": 40, "gap": 0.002}
QUESTION = [{"role": "user", "content": "What is a sluice?"}]


async def test_chat_streamed_and_not_reaches_the_provider_whole_and_is_charged(start_platform, client_of) -> None:
    async with start_platform({"gpt-4o-mini": {"tokens": 30, "gap": 0.005}}) as platform:
        ingress, *_ = await platform.start_all("ingress", "router_worker", "accounting")
        client = client_of(ingress.url, platform.keys["acme"])

        whole = await client.chat.completions.create(
            model="gpt-4o-mini", messages=QUESTION, temperature=0.3, seed=7, extra_body={"brand_new_field": {"a": [1]}}
        )
        assert whole.choices[0].message.content
        assert whole.usage is not None
        assert whole.usage.completion_tokens == 30

        streamed = await client.chat.completions.create(
            model="gpt-4o-mini", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in streamed]
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text
        assert len({chunk.id for chunk in chunks}) == 1
        assert chunks[-1].usage is not None
        assert chunks[-2].choices[0].finish_reason == "stop"

        first = platform.simulator.served()[0]
        body = orjson.loads(platform.simulator.request(first.client_request_id).body)
        assert body["brand_new_field"] == {"a": [1]}
        assert (body["temperature"], body["seed"]) == (0.3, 7)

        rows = await ledger(platform, 2)
        served = {call.client_request_id: call for call in platform.simulator.served()}
        for row in rows:
            call = served[row["attempt_id"]]
            assert row["uncached_input_tokens"] == call.prompt_tokens
            assert row["output_tokens"] == call.output_tokens_reported
            assert row["cost_nanodollars"] == call.prompt_tokens * 150 + call.output_tokens_reported * 600


async def test_the_models_are_listed(start_platform, client_of) -> None:
    async with start_platform({"gpt-4o-mini": {}, "gpt-4o": {}}) as platform:
        ingress, *_ = await platform.start_all("ingress", "accounting")
        client = client_of(ingress.url, platform.keys["acme"])
        assert {model.id async for model in client.models.list()} == {"gpt-4o", "gpt-4o-mini"}


async def test_errors_are_the_sdks_own_exceptions(start_platform, client_of) -> None:
    async with start_platform({"gpt-4o": {"tokens": 5}, "broken": {"status": 400}, "cut": CUT}) as platform:
        ingress, *_ = await platform.start_all("ingress", "router_worker", "accounting")
        good = client_of(ingress.url, platform.keys["acme"])
        with pytest.raises(openai.AuthenticationError):
            await client_of(ingress.url, "slk_nobody_x").chat.completions.create(model="gpt-4o", messages=QUESTION)
        with pytest.raises(openai.NotFoundError) as unknown:
            await good.chat.completions.create(model="gpt-none", messages=QUESTION)
        assert unknown.value.code == "model_not_found"
        with pytest.raises(openai.BadRequestError) as long:
            await good.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "word " * 140_000}]
            )
        assert long.value.code == "context_length_exceeded"
        with pytest.raises(openai.BadRequestError):
            await good.chat.completions.create(model="broken", messages=QUESTION)
        half = await good.chat.completions.create(model="cut", messages=QUESTION, stream=True)
        with pytest.raises(openai.APIError, match="closed the connection"):
            _ = [chunk async for chunk in half]


async def test_tools_choices_and_logprobs_come_back_as_sent(start_platform, client_of) -> None:
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    async with start_platform({"plain": {"tokens": 10}, "tools": {"tools": 2}}) as platform:
        ingress, *_ = await platform.start_all("ingress", "router_worker", "accounting")
        client = client_of(ingress.url, platform.keys["acme"])
        stream = await client.chat.completions.create(
            model="tools", messages=QUESTION, tools=[tool, tool], parallel_tool_calls=True, stream=True
        )
        fragments = [
            call async for chunk in stream for choice in chunk.choices for call in choice.delta.tool_calls or ()
        ]
        assert {fragment.index for fragment in fragments} == {0, 1}
        two = await client.chat.completions.create(model="plain", messages=QUESTION, n=2, logprobs=True)
        assert [choice.index for choice in two.choices] == [0, 1]
        assert two.choices[0].logprobs is not None


async def ledger(platform, rows: int) -> list[asyncpg.Record]:
    """The usage ledger, once it has so many rows."""
    connection = await asyncpg.connect(platform.servers.postgres_url)
    try:
        async with asyncio.timeout(30):
            while len(found := await connection.fetch("select * from usage_ledger")) < rows:
                await asyncio.sleep(0.05)
        return found
    finally:
        await connection.close()
