"""What each family is asked is what the caller said: the simulator understands the same, by whichever API it came."""

import json

import pytest

from services.router_worker.events import Finished
from simulator.conversation import ToolUse, Turn
from tests.dialects.families import Family, Feature, lacking, shows
from tests.dialects.features.test_answers import TOOLS
from tests.suites.family_calls import talking

PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="


@shows(Feature.CONVERSATION)
async def test_a_conversation_arrives_turn_by_turn(family: Family) -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is a sluice?"},
        {"role": "assistant", "content": "A gate for water."},
        {"role": "user", "content": [{"type": "text", "text": "And a "}, {"type": "text", "text": "weir?"}]},
    ]
    async with talking(family) as talk:
        heard = await talk.ask("tokens=1", messages=messages, temperature=0.5, top_p=0.25, max_tokens=77)
    assert heard.asked.turns == (
        Turn("system", "Be brief."),
        Turn("user", "What is a sluice?"),
        Turn("assistant", "A gate for water."),
        Turn("user", "And a weir?"),
    )
    assert (heard.asked.temperature, heard.asked.top_p, heard.asked.max_tokens) == (0.5, 0.25, 77)


@shows(Feature.TOOL_CHOICE)
@pytest.mark.parametrize(
    ("choice", "understood"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ({"type": "function", "function": {"name": "get_time"}}, "get_time"),
    ],
)
async def test_a_choice_of_tools_can_be_forced(family: Family, choice: object, understood: str) -> None:
    async with talking(family) as talk:
        heard = await talk.ask(tools=TOOLS, tool_choice=choice)
    forced = heard.asked.tool_choice
    if forced == "required" and len(heard.asked.tools) == 1:
        forced = heard.asked.tools[0].name  # the only tool that may be called has to be
    assert forced == understood
    called = [call["function"]["name"] for call in heard.message.get("tool_calls", ())]
    assert called == {"required": ["get_weather"], "get_time": ["get_time"]}.get(understood, [])


@shows(Feature.TOOL_RESULTS)
async def test_results_reach_the_calls_they_belong_to(family: Family) -> None:
    async with talking(family) as talk:
        first = await talk.ask("tools=2", tools=TOOLS)
        calls = first.message["tool_calls"]
        messages = [
            {"role": "user", "content": "How is it there?"},
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "tool_call_id": calls[0]["id"], "content": "Rain."},
            {"role": "tool", "tool_call_id": calls[1]["id"], "content": [{"type": "text", "text": "Noon."}]},
            {"role": "user", "content": "Well?"},
        ]
        heard = await talk.ask("tokens=3", tools=TOOLS, messages=messages)
    question, used, rain, noon, well = heard.asked.turns
    assert question == Turn("user", "How is it there?")
    assert used == Turn("assistant", uses=tuple(_use(call) for call in calls))
    assert rain == Turn("tool", "Rain.", result_of=calls[0]["id"])
    assert noon == Turn("tool", "Noon.", result_of=calls[1]["id"])
    assert well == Turn("user", "Well?")
    assert isinstance(heard.ending, Finished)


def _use(call: dict[str, dict[str, str]]) -> ToolUse:
    arguments = json.dumps(json.loads(call["function"]["arguments"]), sort_keys=True, separators=(",", ":"))
    return ToolUse(str(call["id"]), call["function"]["name"], arguments)


async def _a_picture_arrives(family: Family, url: str) -> None:
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
    async with talking(family) as talk:
        heard = await talk.ask("tokens=1", messages=[{"role": "user", "content": content}])
    assert heard.asked.turns == (Turn("user", "What is it?", images=(url,)),)


@shows(Feature.IMAGE_URL)
async def test_a_picture_is_named_by_its_url(family: Family) -> None:
    await _a_picture_arrives(family, "https://pictures.test/cat.png")


@shows(Feature.IMAGE_DATA)
async def test_a_picture_comes_along(family: Family) -> None:
    await _a_picture_arrives(family, f"data:image/png;base64,{PICTURE}")


@shows(Feature.REASONING_KEPT)
@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "whole"])
async def test_a_thought_that_is_sent_back_arrives_as_it_was(family: Family, streamed: bool) -> None:
    async with talking(family) as talk:
        first = await talk.ask("tokens=3;thoughts=4;tools=1", streamed=streamed, tools=TOOLS, reasoning_effort="low")
        (call,) = first.message["tool_calls"]
        messages = [
            {"role": "user", "content": "Tell me."},
            first.message,
            {"role": "tool", "tool_call_id": call["id"], "content": "Rain."},
        ]
        second = await talk.ask("tokens=3", streamed=streamed, tools=TOOLS, reasoning_effort="low", messages=messages)
    _, reply, _ = second.asked.turns
    assert len(reply.thoughts) == 1
    assert reply.text == first.message["content"]
    assert reply.uses == (_use(call),)


@shows(Feature.SEED)
async def test_a_seed_arrives(family: Family) -> None:
    async with talking(family) as talk:
        assert (await talk.ask("tokens=1", seed=7)).asked.seed == 7


ASKED_FOR: dict[Feature, dict[str, object]] = {
    Feature.IMAGE_URL: {
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://pictures.test/cat.png"}}]}
        ]
    },
    Feature.JSON_SCHEMA: {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}}},
    Feature.LOGPROBS: {"logprobs": True},
    Feature.TOP_LOGPROBS: {"logprobs": True, "top_logprobs": 2},
    Feature.SEED: {"seed": 7},
    Feature.STOP: {"stop": ["x"]},
    Feature.TOOLS: {"tools": TOOLS},
}
"""How a request asks for it; the features that are not here are none that a request could ask for."""


@pytest.mark.parametrize(
    ("family", "feature"),
    [
        pytest.param(family, feature, id=f"{family.dialect}-{feature}")
        for family, feature in lacking()
        if feature in ASKED_FOR
    ],
)
async def test_who_asks_for_what_a_family_has_not_is_told_before_any_call(family: Family, feature: Feature) -> None:
    async with talking(family) as talk:
        heard = await talk.ask(**ASKED_FOR[feature])
    assert heard.ask is None
    assert heard.failure.kind == "unsupported"
    assert heard.failure.param
