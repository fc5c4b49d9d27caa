"""What is read of a request for families that speak other words, and what is told instead of being left out."""

from typing import Any

import pytest

from services.router_worker.failures import Unsupported
from services.router_worker.providers.chat import (
    Assistant,
    Chat,
    Image,
    JsonBySchema,
    NamedTool,
    System,
    Text,
    ToolResult,
    UnsupportedError,
    User,
    read_chat,
)
from services.router_worker.providers.chat.messages import sides

EVERYTHING = frozenset({"temperature", "stop", "tools", "tool_choice", "response_format", "max_completion_tokens"})


def read(body: dict[str, Any], honours: frozenset[str] = EVERYTHING) -> Chat:
    return read_chat({"model": "m", "messages": [{"role": "user", "content": "Hi"}], **body}, "Acme", honours)


def lacking(body: dict[str, Any], honours: frozenset[str] = EVERYTHING) -> Unsupported:
    with pytest.raises(UnsupportedError) as raised:
        read(body, honours)
    return raised.value.what


def test_a_conversation_is_read_in_types() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    chat = read(
        {
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}],
                },
                {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None, "annotations": []},
                {"role": "tool", "tool_call_id": "c1", "content": "42"},
            ]
        }
    )
    system, user, assistant, result = chat.messages
    assert isinstance(system, System)
    assert system.content == (Text(type="text", text="Be brief."),)
    assert isinstance(user, User)
    (image,) = user.content
    assert isinstance(image, Image)
    assert image.inline == ("image/png", "AA==")
    assert isinstance(assistant, Assistant)
    assert assistant.content == ()
    assert assistant.tool_calls[0].function.name == "f"
    assert isinstance(result, ToolResult)
    assert [side.is_assistant for side in sides(chat.messages)] == [False, True, False]


def test_settings_are_read_in_types() -> None:
    chat = read(
        {
            "stop": "END",
            "max_completion_tokens": 5,
            "temperature": 1,
            "tools": [{"type": "function", "function": {"name": "f"}}],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
        }
    )
    assert (chat.stop, chat.most_output, chat.temperature) == (("END",), 5, 1)
    assert isinstance(chat.tool_choice, NamedTool)
    assert isinstance(chat.response_format, JsonBySchema)
    assert chat.response_format.json_schema.schema_ == {"type": "object"}


@pytest.mark.parametrize(
    "body",
    [
        {"seed": None},
        {"n": 1, "logprobs": False, "frequency_penalty": 0, "presence_penalty": 0.0, "store": False},
        {"stream": True, "stream_options": {"include_usage": True}, "metadata": {"team": "x"}},
    ],
)
def test_what_asks_for_nothing_stands_in_nobodys_way(body: dict[str, Any]) -> None:
    read(body)


@pytest.mark.parametrize("name", ["seed", "logprobs", "n", "a_field_of_tomorrow", "functions"])
def test_a_parameter_the_family_does_not_honour_is_told(name: str) -> None:
    assert lacking({name: 7}) == Unsupported(name, "is nothing that Acme could be asked for")


def test_a_family_may_honour_what_openai_does_not_know() -> None:
    assert read({"top_k": 3}, EVERYTHING | {"top_k"}).extras == {"top_k": 3}


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "user", "content": "Hi", "mood": "good"}, "messages[0].mood"),
        ({"role": "user", "content": [{"type": "text", "text": "Hi", "font": "x"}]}, "messages[0].content[0].font"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, "messages[0].content[0].image_url.url"),
        ({"role": "user", "content": [{"type": "hologram"}]}, "messages[0].content[0]"),
        ({"role": "user", "content": 7}, "messages[0].content"),
        ({"role": "narrator", "content": "Hi"}, "messages[0]"),
        ({"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f"}}]}, "messages[0].tool_calls[0]"),
    ],
)
def test_what_is_not_known_inside_of_a_message_is_told_with_its_place(message: object, param: str) -> None:
    assert lacking({"messages": [message]}).param.startswith(param)


def test_a_tool_of_another_kind_is_told_with_its_place() -> None:
    assert lacking({"tools": [{"type": "function", "function": {"name": "f"}}, {"type": "magic"}]}).param == (
        "tools[1].type"
    )
