"""The official Cohere client takes the simulator for Cohere."""

from collections.abc import AsyncIterator
from typing import Any

import cohere
import httpx
import pytest
from cohere.core.request_options import RequestOptions

from simulator import Simulator, running_simulator
from tests.suites.official_clients import QUESTION, TOOLS, a_provider


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(a_provider("co-good")) as simulator:
        yield simulator


def a_client(sim: Simulator, line: httpx.AsyncClient, key: str = "co-good") -> cohere.AsyncClientV2:
    return cohere.AsyncClientV2(
        api_key=key, base_url=sim.url, httpx_client=line, log_warning_experimental_features=False
    )


@pytest.fixture
async def client(sim: Simulator) -> AsyncIterator[cohere.AsyncClientV2]:
    async with httpx.AsyncClient(timeout=10) as line:
        yield a_client(sim, line)


async def whole(client: cohere.AsyncClientV2, model: str, messages: Any = QUESTION, **options: Any) -> Any:
    return await client.chat(model=model, messages=messages, **options)


async def events_of(client: cohere.AsyncClientV2, model: str, **options: Any) -> list[Any]:
    return [event async for event in client.chat_stream(model=model, messages=QUESTION, **options)]


def told(events: list[Any], kind: str) -> str:
    contents = [event.delta.message.content for event in events if event.type == "content-delta"]
    return "".join(getattr(content, kind) or "" for content in contents)


async def test_a_stream_adds_up_to_the_whole_answer(client: cohere.AsyncClientV2) -> None:
    answer, events = await whole(client, "talker"), await events_of(client, "talker")
    assert told(events, "text") == answer.message.content[0].text
    assert [event.type for event in events[:2]] == ["message-start", "content-start"]
    assert events[-1].type == "message-end"
    assert events[-1].delta.finish_reason == answer.finish_reason == "COMPLETE"
    for usage in (answer.usage, events[-1].delta.usage):
        assert usage.billed_units.output_tokens == 20
        assert usage.tokens.input_tokens > usage.billed_units.input_tokens
        assert usage.cached_tokens == 2


async def test_thoughts_are_contents_before_the_text(client: cohere.AsyncClientV2) -> None:
    thinking = cohere.Thinking(type="enabled", token_budget=100)
    answer = await whole(client, "thinker", thinking=thinking)
    assert [content.type for content in answer.message.content] == ["thinking", "text"]
    events = await events_of(client, "thinker", thinking=thinking)
    assert told(events, "thinking") == answer.message.content[0].thinking
    assert told(events, "text") == answer.message.content[1].text


async def test_tools_are_called_with_their_arguments(client: cohere.AsyncClientV2) -> None:
    answer, events = await whole(client, "caller", tools=TOOLS), await events_of(client, "caller", tools=TOOLS)
    begun = [event.delta.message.tool_calls for event in events if event.type == "tool-call-start"]
    assert [call.id for call in begun] == [call.id for call in answer.message.tool_calls]
    fragments = {0: "", 1: ""}
    for event in events:
        if event.type == "tool-call-delta":
            fragments[event.index] += event.delta.message.tool_calls.function.arguments
    assert list(fragments.values()) == [call.function.arguments for call in answer.message.tool_calls]
    assert events[-1].delta.finish_reason == answer.finish_reason == "TOOL_CALL"


async def test_the_clients_own_history_is_understood(sim: Simulator, client: cohere.AsyncClientV2) -> None:
    first = await whole(client, "caller", tools=TOOLS)
    texts = [{"role": "tool", "tool_call_id": call.id, "content": "Rain."} for call in first.message.tool_calls]
    assert (await whole(client, "talker", [*QUESTION, first.message, *texts])).message.content


async def test_a_forced_choice_a_schema_and_log_probabilities_are_understood(client: cohere.AsyncClientV2) -> None:
    forced = await whole(client, "talker", tools=TOOLS, tool_choice="REQUIRED")
    assert [call.function.name for call in forced.message.tool_calls] == ["get_weather"]
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    told_json = await whole(
        client, "talker", response_format=cohere.JsonObjectResponseFormatV2(json_schema=schema), seed=3
    )
    assert told_json.message.content[0].text.startswith('{"age":')
    likely = await whole(client, "talker", logprobs=True)
    assert "".join(item.text for item in likely.logprobs) == likely.message.content[0].text


async def test_a_sequence_that_stops_the_answer_is_the_reason(client: cohere.AsyncClientV2) -> None:
    word = (await whole(client, "talker")).message.content[0].text.split()[3]
    stopped = await whole(client, "talker", stop_sequences=[word])
    assert stopped.finish_reason == "STOP_SEQUENCE"


async def test_pictures_are_understood(client: cohere.AsyncClientV2) -> None:
    image = cohere.ImageUrlContent(image_url=cohere.ImageUrl(url="https://p.test/cat.png", detail="low"))
    messages = [{"role": "user", "content": [cohere.TextContent(text="What is it?"), image]}]
    assert (await whole(client, "talker", messages)).message.content


async def test_texts_are_embedded(client: cohere.AsyncClientV2) -> None:
    found = await client.embed(
        model="embedder", texts=["one", "two"], input_type="search_query", embedding_types=["float"], output_dimension=4
    )
    assert [len(vector) for vector in found.embeddings.float_ or ()] == [4, 4]
    assert found.meta.billed_units.input_tokens > 0


async def test_who_asks_too_often_is_refused(client: cohere.AsyncClientV2) -> None:
    answer = await client.with_raw_response.chat(model="frugal", messages=QUESTION)
    assert answer.headers["x-trial-endpoint-call-limit"] == "1"
    assert answer.headers["x-trial-endpoint-call-remaining"] == "0"
    with pytest.raises(cohere.TooManyRequestsError):
        await whole(client, "frugal", request_options=RequestOptions(max_retries=0))


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("status=400", cohere.BadRequestError),
        ("status=403", cohere.ForbiddenError),
        ("status=404", cohere.NotFoundError),
        ("status=498", cohere.InvalidTokenError),
        ("status=500", cohere.InternalServerError),
        ("status=503", cohere.ServiceUnavailableError),
    ],
)
async def test_errors_are_the_clients_own(client: cohere.AsyncClientV2, script: str, error: type) -> None:
    options = RequestOptions(additional_headers={"x-sim-script": script}, max_retries=0)
    with pytest.raises(error):
        await whole(client, "talker", request_options=options)


async def test_an_error_in_the_middle_of_a_stream_is_seen(client: cohere.AsyncClientV2) -> None:
    options = RequestOptions(additional_headers={"x-sim-script": "error_after=3;error_status=500"})
    events = await events_of(client, "talker", request_options=options)
    assert events[-1].delta.finish_reason == "ERROR"
    assert events[-1].delta.error == "internal server error"


async def test_a_stranger_is_sent_away(sim: Simulator) -> None:
    async with httpx.AsyncClient(timeout=10) as line:
        with pytest.raises(cohere.UnauthorizedError):
            await whole(a_client(sim, line, "co-bad"), "talker")
