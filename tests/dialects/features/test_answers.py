"""What each family says comes in OpenAI's words: the same script gives the same answer, whoever plays it."""

import json

import pytest

from services.router_worker.events import Answered, Finished
from shared.ids import completion_id
from tests.dialects.families import Family, Feature, shows
from tests.suites.family_calls import Heard, talking

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "Of a place.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                "required": ["city"],
            },
        },
    }
    for name in ("get_weather", "get_time")
]
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}

either_way = pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])


def calls_of(heard: Heard) -> list[tuple[str, dict[str, object]]]:
    return [
        (call["function"]["name"], json.loads(call["function"]["arguments"])) for call in heard.message["tool_calls"]
    ]


@shows(Feature.STREAMING)
async def test_a_stream_comes_token_by_token_in_our_name(family: Family) -> None:
    async with talking(family) as talk:
        heard = await talk.ask("tokens=20", stream_options={"include_usage": True})
        served = await talk.served()
    said = [chunk for chunk in heard.chunks if chunk["choices"] and chunk["choices"][0]["delta"].get("content")]
    assert len(said) == served.output_tokens_written == 20
    assert {(chunk["id"], chunk["object"]) for chunk in heard.chunks} == {
        (completion_id(heard.job.id), "chat.completion.chunk")
    }
    assert ["role" in chunk["choices"][0]["delta"] for chunk in heard.chunks if chunk["choices"]].count(True) == 1
    assert all("finish_reason" in chunk["choices"][0] for chunk in heard.chunks if chunk["choices"])
    assert heard.chunks[-1]["choices"] == []
    assert heard.chunks[-1]["usage"]["completion_tokens"] == 20
    assert isinstance(heard.ending, Finished)


@shows(Feature.STREAMING)
@pytest.mark.parametrize("manner", ["split=3", "drip_bytes=7;drip_gap=0"])
async def test_how_the_bytes_come_does_not_matter(family: Family, manner: str) -> None:
    async with talking(family) as talk:
        smooth, odd = await talk.ask("tokens=9"), await talk.ask(f"tokens=9;{manner}")
    assert odd.message == smooth.message


@shows(Feature.WHOLE)
async def test_an_answer_in_one_piece_says_the_same_as_the_stream(family: Family) -> None:
    async with talking(family) as talk:
        whole, stream = await talk.ask("tokens=20", streamed=False), await talk.ask("tokens=20")
    assert any(isinstance(event, Answered) for event in whole.events)
    assert whole.message["content"] == stream.message["content"]
    assert whole.response["object"] == "chat.completion"
    assert whole.response["id"] == completion_id(whole.job.id)
    assert whole.usage == stream.usage


@shows(Feature.TOOLS)
@either_way
async def test_a_tool_is_called_with_arguments_that_came_in_fragments(family: Family, streamed: bool) -> None:
    async with talking(family) as talk:
        heard = await talk.ask("tools=1", streamed=streamed, tools=TOOLS)
    ((name, arguments),) = calls_of(heard)
    assert name == "get_weather"
    assert arguments.keys() == {"city", "days"}
    assert heard.message["tool_calls"][0]["id"]
    assert heard.message["tool_calls"][0]["type"] == "function"
    assert heard.choice["finish_reason"] == "tool_calls"
    assert heard.asked.tools == (
        ("get_weather", (("city", "string"), ("days", "integer"))),
        ("get_time", (("city", "string"), ("days", "integer"))),
    )


@shows(Feature.PARALLEL_TOOLS)
@either_way
async def test_several_tools_are_called_at_once(family: Family, streamed: bool) -> None:
    async with talking(family) as talk:
        heard = await talk.ask("tools=2;tokens=3", streamed=streamed, tools=TOOLS)
    assert [name for name, _ in calls_of(heard)] == ["get_weather", "get_time"]
    assert len({call["id"] for call in heard.message["tool_calls"]}) == 2
    assert heard.message["content"]


@shows(Feature.JSON_SCHEMA)
@either_way
async def test_an_answer_keeps_to_the_schema(family: Family, streamed: bool) -> None:
    asked = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA, "strict": True}}
    async with talking(family) as talk:
        heard = await talk.ask(streamed=streamed, response_format=asked)
    assert heard.asked.schema == SCHEMA
    answer = json.loads(heard.message["content"])
    assert isinstance(answer["name"], str)
    assert isinstance(answer["age"], int)


@shows(Feature.REASONING)
@either_way
async def test_thoughts_stand_beside_the_text(family: Family, streamed: bool) -> None:
    async with talking(family) as talk:
        plain = await talk.ask("tokens=5", streamed=streamed)
        heard = await talk.ask("tokens=5;thoughts=7", streamed=streamed, reasoning_effort="high")
    assert len(heard.message["reasoning_content"]) > 7
    assert heard.message["content"]
    assert "reasoning_content" not in plain.message


@shows(Feature.STOP)
@either_way
async def test_an_answer_ends_before_the_callers_sequence(family: Family, streamed: bool) -> None:
    async with talking(family) as talk:
        full = (await talk.ask("tokens=30", streamed=streamed)).message["content"]
        word = full.split()[4]
        heard = await talk.ask("tokens=30", streamed=streamed, stop=[word, "☃"])
    assert heard.asked.stop == (word, "☃")
    assert heard.message["content"] == full[: full.index(word)]
    assert heard.choice["finish_reason"] == "stop"


@shows(Feature.FINISH_REASONS)
@either_way
@pytest.mark.parametrize(
    ("script", "body", "reason"),
    [
        ("tokens=5", {}, "stop"),
        ("tokens=50", {"max_tokens": 5}, "length"),
        ("tokens=50", {"max_completion_tokens": 5}, "length"),
        ("tools=1", {"tools": TOOLS}, "tool_calls"),
    ],
)
async def test_the_reason_of_the_end_is_openais_word(
    family: Family, streamed: bool, script: str, body: dict[str, object], reason: str
) -> None:
    async with talking(family) as talk:
        heard = await talk.ask(script, streamed=streamed, **body)
    assert heard.choice["finish_reason"] == reason
    assert isinstance(heard.ending, Finished)
    assert heard.ending.finish_reason == reason


@shows(Feature.CONTENT_FILTER)
@either_way
async def test_an_answer_that_a_filter_ended_says_so(family: Family, streamed: bool) -> None:
    async with talking(family) as talk:
        heard = await talk.ask("tokens=5;finish=content_filter", streamed=streamed)
    assert heard.choice["finish_reason"] == "content_filter"
    assert isinstance(heard.ending, Finished)


@shows(Feature.REFUSAL)
@either_way
async def test_a_model_that_declines_has_refused(family: Family, streamed: bool) -> None:
    async with talking(family) as talk:
        heard = await talk.ask("tokens=6;refusal=true", streamed=streamed)
    assert heard.message["refusal"]
    assert not heard.message["content"]
    assert isinstance(heard.ending, Finished)


@shows(Feature.LOGPROBS)
@either_way
async def test_log_probabilities_come_with_the_tokens(family: Family, streamed: bool) -> None:
    async with talking(family) as talk:
        heard = await talk.ask("tokens=4", streamed=streamed, logprobs=True)
    content = heard.choice["logprobs"]["content"]
    assert "".join(token["token"] for token in content) == heard.message["content"]
    assert all(token["logprob"] <= 0 and token["top_logprobs"] == [] for token in content)


@shows(Feature.TOP_LOGPROBS)
@either_way
async def test_each_token_comes_with_what_it_might_have_been(family: Family, streamed: bool) -> None:
    async with talking(family) as talk:
        heard = await talk.ask("tokens=4", streamed=streamed, logprobs=True, top_logprobs=2)
    assert all(len(token["top_logprobs"]) == 2 for token in heard.choice["logprobs"]["content"])
