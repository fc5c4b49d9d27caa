"""The official Google client takes the simulator for the Gemini API, and for Vertex AI."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import errors, types

from simulator import Config, Quota, Script, Simulator, running_simulator

CONFIG = Config(
    seed=1,
    models={
        "talker": Script(tokens=20, cached_tokens=2),
        "thinker": Script(tokens=5, thoughts=6),
        "caller": Script(tools=2, tokens=3),
        "gemini-3-caller": Script(tools=1),
        "prude": Script(tokens=5, finish="content_filter"),
        "frugal": Script(tokens=5),
        "embedder": Script(),
        "gemini-embedder": Script(),
    },
    quotas={"frugal": Quota(rpm=1)},
    api_keys=("AIza-good",),
)
QUESTION = "What is the answer?"
TEXTS = [types.UserContent("one"), types.UserContent("two")]
WEATHER = types.FunctionDeclaration(
    name="get_weather",
    description="Of a place.",
    parameters=types.Schema(
        type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)}, required=["city"]
    ),
)
TOOLS: dict[str, Any] = {
    "tools": [types.Tool(function_declarations=[WEATHER])],
    "automatic_function_calling": types.AutomaticFunctionCallingConfig(disable=True),
}


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(CONFIG) as simulator:
        yield simulator


@asynccontextmanager
async def a_client(sim: Simulator, *, vertex: bool = False, key: str = "AIza-good") -> AsyncIterator[Any]:
    async with httpx.AsyncClient(timeout=10) as line:
        version = "v1beta1" if vertex else "v1beta"
        options = types.HttpOptions(base_url=sim.url, api_version=version, httpx_async_client=line)
        client = genai.Client(vertexai=vertex, api_key=key, http_options=options)
        yield client.aio
        client.close()


@pytest.fixture(params=[False, True], ids=["gemini", "vertex"])
async def client(sim: Simulator, request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    async with a_client(sim, vertex=request.param) as opened:
        yield opened


async def chunks_of(client: Any, model: str, contents: Any = QUESTION, **config: Any) -> list[Any]:
    asked = types.GenerateContentConfig(**config)
    stream = await client.models.generate_content_stream(model=model, contents=contents, config=asked)
    return [chunk async for chunk in stream]


async def whole(client: Any, model: str, contents: Any = QUESTION, **config: Any) -> Any:
    asked = types.GenerateContentConfig(**config)
    return await client.models.generate_content(model=model, contents=contents, config=asked)


def parts_of(answer: Any) -> list[Any]:
    return list(answer.candidates[0].content.parts)


async def test_a_stream_adds_up_to_the_whole_answer(client: Any) -> None:
    answer, chunks = await whole(client, "talker"), await chunks_of(client, "talker")
    assert "".join(chunk.text or "" for chunk in chunks) == answer.text
    assert chunks[-1].candidates[0].finish_reason is types.FinishReason.STOP
    assert chunks[-1].model_version == "talker"
    for used in (answer.usage_metadata, chunks[-1].usage_metadata):
        assert used.cached_content_token_count == 2
        assert used.candidates_token_count == 20
        assert used.total_token_count == used.prompt_token_count + 20


async def test_thoughts_are_parts_and_the_last_one_is_signed(client: Any) -> None:
    thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=128)
    answer = await whole(client, "thinker", thinking_config=thinking)
    chunks = await chunks_of(client, "thinker", thinking_config=thinking)
    thought, text = parts_of(answer)
    assert thought.thought
    assert text.thought_signature
    told = [part for chunk in chunks for part in parts_of(chunk)]
    assert "".join(part.text for part in told if part.thought) == thought.text
    assert told[-1].thought_signature == text.thought_signature
    assert chunks[-1].usage_metadata.thoughts_token_count == 6


async def test_functions_are_called_with_their_arguments(client: Any) -> None:
    answer, chunks = await whole(client, "caller", **TOOLS), await chunks_of(client, "caller", **TOOLS)
    calls = [(call.name, call.args) for call in answer.function_calls]
    assert [name for name, _ in calls] == ["get_weather", "get_weather"]
    assert all(arguments.keys() == {"city"} for _, arguments in calls)
    assert [(call.name, call.args) for call in chunks[-1].function_calls] == calls


async def test_a_chat_of_the_client_keeps_the_signature(sim: Simulator, client: Any) -> None:
    chat = client.chats.create(model="gemini-3-caller", config=types.GenerateContentConfig(**TOOLS))
    (call,) = (await chat.send_message(QUESTION)).function_calls
    result = types.Part.from_function_response(name=call.name, response={"output": "Rain."})
    assert (await chat.send_message(result)).candidates


async def test_a_call_without_its_signature_is_refused(client: Any) -> None:
    call = types.Part.from_function_call(name="get_weather", args={"city": "Kiel"})
    result = types.Part.from_function_response(name="get_weather", response={"output": "Rain."})
    history = [
        types.UserContent(QUESTION),
        types.ModelContent([call]),
        types.UserContent([result]),
    ]
    with pytest.raises(errors.ClientError, match="missing a thought_signature"):
        await whole(client, "gemini-3-caller", history)


async def test_a_forced_choice_a_schema_and_log_probabilities_are_understood(client: Any) -> None:
    config = types.FunctionCallingConfig(mode="ANY", allowed_function_names=["get_weather"])
    forced = await whole(client, "talker", tool_config=types.ToolConfig(function_calling_config=config), **TOOLS)
    assert [call.name for call in forced.function_calls] == ["get_weather"]
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}}
    told = await whole(client, "talker", response_mime_type="application/json", response_json_schema=schema)
    assert isinstance(told.parsed["age"], int)
    likely = await whole(client, "talker", response_logprobs=True, logprobs=2)
    found = likely.candidates[0].logprobs_result
    assert "".join(token.token for token in found.chosen_candidates) == likely.text
    assert all(len(top.candidates) == 2 for top in found.top_candidates)


async def test_pictures_and_sequences_are_understood(client: Any) -> None:
    contents = [types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png"), "What is it?"]
    full = (await whole(client, "talker", contents)).text
    word = full.split()[3]
    stopped = await whole(client, "talker", contents, stop_sequences=[word], seed=3, system_instruction="Be brief.")
    assert word not in (stopped.text or "")


async def test_an_answer_that_is_blocked_says_so(client: Any) -> None:
    answer, chunks = await whole(client, "prude"), await chunks_of(client, "prude")
    assert answer.candidates[0].finish_reason is types.FinishReason.SAFETY
    assert chunks[-1].candidates[0].finish_reason is types.FinishReason.SAFETY


@pytest.mark.parametrize("model", ["embedder", "gemini-embedder"])
async def test_texts_are_embedded(client: Any, model: str) -> None:
    config = types.EmbedContentConfig(output_dimensionality=4)
    found = await client.models.embed_content(model=model, contents=TEXTS, config=config)
    assert [len(each.values) for each in found.embeddings] == [4, 4]


async def test_who_asks_too_often_is_told_how_long_to_wait(client: Any) -> None:
    await whole(client, "frugal")
    with pytest.raises(errors.ClientError) as refused:
        await whole(client, "frugal")
    assert (refused.value.code, refused.value.status) == (429, "RESOURCE_EXHAUSTED")
    (info,) = refused.value.details["error"]["details"]
    assert info["@type"].endswith("google.rpc.RetryInfo")
    assert float(info["retryDelay"].removesuffix("s")) > 0


@pytest.mark.parametrize(
    ("script", "error", "status"),
    [
        ("status=400", errors.ClientError, "INVALID_ARGUMENT"),
        ("status=403", errors.ClientError, "PERMISSION_DENIED"),
        ("status=404", errors.ClientError, "NOT_FOUND"),
        ("status=500", errors.ServerError, "INTERNAL"),
        ("status=503", errors.ServerError, "UNAVAILABLE"),
    ],
)
async def test_errors_are_the_clients_own(client: Any, script: str, error: type, status: str) -> None:
    options = types.HttpOptions(headers={"x-sim-script": script})
    with pytest.raises(error) as refused:
        await whole(client, "talker", http_options=options)
    assert refused.value.status == status


async def test_a_stranger_is_sent_away(sim: Simulator) -> None:
    with pytest.raises(errors.ClientError, match="API key not valid"):
        async with a_client(sim, key="AIza-bad") as stranger:
            await whole(stranger, "talker")


async def test_the_models_are_listed(sim: Simulator) -> None:
    async with a_client(sim) as client:
        pager = await client.models.list(config={"query_base": True})
        assert "models/talker" in [model.name async for model in pager]
