"""AWS's own client takes the simulator for Bedrock."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest
from botocore.config import Config as ClientConfig
from botocore.eventstream import ChecksumMismatch
from botocore.exceptions import ClientError, EventStreamError

from simulator import Config, Quota, Script, Simulator, running_simulator

QUESTION = [{"role": "user", "content": [{"text": "What is the answer?"}]}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = {
    "tools": [{"toolSpec": {"name": "get_weather", "description": "Of a place.", "inputSchema": {"json": SCHEMA}}}]
}
CONFIG = Config(
    seed=1,
    models={
        "talker": Script(tokens=20, cached_tokens=2, cache_written_tokens=3),
        "thinker": Script(tokens=5, thoughts=6),
        "caller": Script(tools=2, tokens=3),
        "frugal": Script(tokens=5),
    },
    quotas={"frugal": Quota(rpm=1)},
    api_keys=("AKIAGOOD",),
)


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(CONFIG) as simulator:
        yield simulator


def a_client(sim: Simulator, key: str = "AKIAGOOD") -> Any:
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=sim.url,
        region_name="eu-west-1",
        aws_access_key_id=key,
        aws_secret_access_key="secret",
        config=ClientConfig(retries={"total_max_attempts": 1}, read_timeout=10),
    )


@pytest.fixture
def client(sim: Simulator) -> Iterator[Any]:
    with closing(a_client(sim)) as opened:
        yield opened


async def whole(client: Any, model: str, messages: Any = QUESTION, **options: Any) -> Any:
    return await asyncio.to_thread(client.converse, modelId=model, messages=messages, **options)


async def events_of(client: Any, model: str, messages: Any = QUESTION, **options: Any) -> list[tuple[str, Any]]:
    def listen() -> list[tuple[str, Any]]:
        with closing(client.converse_stream(modelId=model, messages=messages, **options)["stream"]) as stream:
            return [(name, body) for event in stream for name, body in event.items()]

    return await asyncio.to_thread(listen)


def deltas(events: list[tuple[str, Any]], kind: str) -> list[Any]:
    found = [body["delta"] for name, body in events if name == "contentBlockDelta"]
    return [delta[kind] for delta in found if kind in delta]


async def test_a_stream_adds_up_to_the_whole_answer(client: Any) -> None:
    said, events = await whole(client, "talker"), await events_of(client, "talker")
    assert [{"text": "".join(deltas(events, "text"))}] == said["output"]["message"]["content"]
    assert [name for name, _ in events if name != "contentBlockDelta"] == [
        "messageStart",
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]
    assert events[-1][1]["usage"] == said["usage"]
    assert said["stopReason"] == "end_turn"
    usage = said["usage"]
    assert (usage["cacheReadInputTokens"], usage["cacheWriteInputTokens"], usage["outputTokens"]) == (2, 3, 20)
    beside = usage["cacheReadInputTokens"] + usage["cacheWriteInputTokens"]
    assert usage["totalTokens"] == usage["inputTokens"] + beside + usage["outputTokens"]


async def test_thoughts_come_with_their_signature(client: Any) -> None:
    thought, text = (await whole(client, "thinker"))["output"]["message"]["content"]
    pieces = deltas(await events_of(client, "thinker"), "reasoningContent")
    assert "".join(piece.get("text", "") for piece in pieces) == thought["reasoningContent"]["reasoningText"]["text"]
    assert pieces[-1]["signature"] == thought["reasoningContent"]["reasoningText"]["signature"]
    assert text["text"]


async def test_tools_are_called_and_their_results_understood(client: Any) -> None:
    events = await events_of(client, "caller", toolConfig=TOOLS)
    assert len([body for name, body in events if name == "contentBlockStart"]) == 2
    answer = await whole(client, "caller", toolConfig={**TOOLS, "toolChoice": {"tool": {"name": "get_weather"}}})
    calls = [block["toolUse"] for block in answer["output"]["message"]["content"] if "toolUse" in block]
    assert answer["stopReason"] == "tool_use"
    assert all("city" in call["input"] for call in calls)
    results = [
        {"toolResult": {"toolUseId": call["toolUseId"], "content": [{"json": {"rain": True}}]}} for call in calls
    ]
    messages = [*QUESTION, answer["output"]["message"], {"role": "user", "content": results}]
    assert (await whole(client, "talker", messages, toolConfig=TOOLS))["output"]


async def test_pictures_documents_schemas_and_settings_are_understood(client: Any) -> None:
    content = [
        {"text": "What is it?"},
        {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}},
        {"document": {"format": "pdf", "name": "all of it", "source": {"bytes": b"%PDF"}}},
        {"cachePoint": {"type": "default"}},
    ]
    structure = {"jsonSchema": {"schema": '{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}'}}
    said = await whole(
        client,
        "talker",
        [{"role": "user", "content": content}],
        system=[{"text": "Be brief."}],
        inferenceConfig={"maxTokens": 50, "temperature": 0.5, "topP": 0.5, "stopSequences": ["☃"]},
        outputConfig={"textFormat": {"type": "json_schema", "structure": structure}},
        guardrailConfig={"guardrailIdentifier": "g1", "guardrailVersion": "1"},
    )
    assert '"n"' in said["output"]["message"]["content"][0]["text"]


async def test_who_asks_too_often_is_refused(client: Any) -> None:
    await whole(client, "frugal")
    with pytest.raises(client.exceptions.ThrottlingException):
        await whole(client, "frugal")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, "ValidationException"),
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (408, "ModelTimeoutException"),
        (424, "ModelErrorException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ],
)
async def test_errors_are_the_clients_own(client: Any, status: int, error: str) -> None:
    with pytest.raises(getattr(client.exceptions, error)):
        await whole(client, f"talker;status={status}")


@pytest.mark.parametrize(
    ("status", "error"),
    [(429, "throttlingException"), (500, "internalServerException"), (424, "modelStreamErrorException")],
)
async def test_an_error_in_the_middle_of_a_stream_is_seen(client: Any, status: int, error: str) -> None:
    with pytest.raises(EventStreamError, match=error):
        await events_of(client, f"talker;tokens=9;error_after=3;error_status={status}")


async def test_a_garbled_message_is_seen(client: Any) -> None:
    with pytest.raises(ChecksumMismatch):
        await events_of(client, "talker;tokens=9;malformed_after=3")


async def test_a_key_that_is_not_known_is_refused(sim: Simulator) -> None:
    with closing(a_client(sim, "AKIABAD")) as stranger, pytest.raises(ClientError, match="UnrecognizedClientException"):
        await whole(stranger, "talker")


async def test_what_was_called_wants_its_tools_named(client: Any) -> None:
    use = {"toolUse": {"toolUseId": "t", "name": "get_weather", "input": {}}}
    result = {"toolResult": {"toolUseId": "t", "content": [{"text": "Rain."}]}}
    messages = [*QUESTION, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    with pytest.raises(ClientError, match="toolConfig"):
        await whole(client, "talker", messages)
