"""How a conversation is written for Gemini, and what of it cannot be."""

from typing import Any

import pytest

from tests.dialects.test_gemini_request import NEW, OLD, lacking, sent

CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "Rain."}
PICTURE = "data:image/png;base64,iVBORw0KGgo="


def called_back(call: dict[str, Any], model: str = NEW, **more: Any) -> dict[str, Any]:
    """The part of a call that the assistant made before."""
    reply = {"role": "assistant", "content": None, "tool_calls": [call], **more}
    contents = sent({"messages": [{"role": "user", "content": "Well?"}, reply, RESULT]}, model)["contents"]
    assert [content["role"] for content in contents] == ["user", "model", "user"]
    part: dict[str, Any] = contents[1]["parts"][-1]
    return part


def test_instructions_stand_above_wherever_they_were() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Well?"},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
    ]
    body = sent({"messages": messages})
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Well?"}]}]


def test_instructions_alone_are_no_conversation() -> None:
    assert lacking({"messages": [{"role": "system", "content": "Be brief."}]}) == "messages"


def test_results_stand_apart_from_what_the_user_says_behind_them() -> None:
    messages = [
        {"role": "user", "content": "Well?"},
        {"role": "assistant", "tool_calls": [CALL]},
        RESULT,
        {"role": "user", "content": "And?"},
    ]
    *_, result, question = sent({"messages": messages})["contents"]
    answered = {"id": "call_1", "name": "f", "response": {"output": "Rain."}}
    assert result == {"role": "user", "parts": [{"functionResponse": answered}]}
    assert question == {"role": "user", "parts": [{"text": "And?"}]}


def test_a_result_may_be_a_picture() -> None:
    shown = [{"type": "text", "text": "See."}, {"type": "image_url", "image_url": {"url": PICTURE}}]
    messages = [{"role": "assistant", "tool_calls": [CALL]}, {**RESULT, "content": shown}]
    response = sent({"messages": messages})["contents"][-1]["parts"][0]["functionResponse"]
    assert response["response"] == {"output": "See."}
    assert response["parts"] == [{"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}]


def test_a_result_of_no_call_is_told() -> None:
    assert lacking({"messages": [RESULT]}) == "messages[0].tool_call_id"


@pytest.mark.parametrize("namespace", ["google", "vertex"])
def test_a_call_comes_back_with_its_signature(namespace: str) -> None:
    part = called_back({**CALL, "extra_content": {namespace: {"thought_signature": "c2ln"}}})
    assert part["functionCall"] == {"id": "call_1", "name": "f", "args": {"a": 1}}
    assert part["thoughtSignature"] == "c2ln"


def test_a_call_that_another_model_made_is_marked_where_signatures_are_wanted() -> None:
    assert called_back(CALL, NEW)["thoughtSignature"] == "skip_thought_signature_validator"
    assert "thoughtSignature" not in called_back(CALL, OLD)
    assert "thoughtSignature" not in called_back(CALL, "my-own-name")


def test_thoughts_of_other_families_stay_here() -> None:
    foreign = [{"type": "thinking", "thinking": "Hm.", "signature": "EqQB"}]
    messages = [
        {"role": "assistant", "content": "Yes.", "thinking_blocks": foreign, "reasoning_content": "Hm."},
        {"role": "user", "content": "And?"},
    ]
    assert sent({"messages": messages})["contents"][0] == {"role": "model", "parts": [{"text": "Yes."}]}


def test_a_signature_of_text_comes_back_behind_it() -> None:
    own = [{"type": "thought_signature", "signature": "c2ln"}]
    messages = [
        {"role": "assistant", "content": "Yes.", "thinking_blocks": own},
        {"role": "user", "content": "And?"},
    ]
    assert sent({"messages": messages})["contents"][0]["parts"] == [
        {"text": "Yes."},
        {"text": "", "thoughtSignature": "c2ln"},
    ]


def test_what_the_model_painted_comes_back() -> None:
    painted = {"role": "assistant", "content": "So.", "images": [{"type": "image_url", "image_url": {"url": PICTURE}}]}
    messages = [{"role": "user", "content": "Paint."}, painted, {"role": "user", "content": "Bluer."}]
    picture = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    assert sent({"messages": messages})["contents"][1]["parts"] == [{"text": "So."}, picture]


def test_an_answer_is_gone_on_with_behind_its_text() -> None:
    assert sent({}, resume="A sluice is")["contents"][-1] == {"role": "model", "parts": [{"text": "A sluice is"}]}


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (
            {"type": "image_url", "image_url": {"url": "https://p.test/a/cat.JPG?size=1"}},
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://p.test/a/cat.JPG?size=1"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "gs://bucket/cat.webp"}},
            {"fileData": {"mimeType": "image/webp", "fileUri": "gs://bucket/cat.webp"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
            {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "a.pdf"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0="}},
        ),
    ],
)
def test_what_is_shown_or_heard_is_a_part(part: dict[str, Any], written: dict[str, Any]) -> None:
    assert sent({"messages": [{"role": "user", "content": [part]}]})["contents"][0]["parts"] == [written]


def test_how_closely_to_look_is_told_to_those_who_can_be() -> None:
    body = {
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PICTURE, "detail": "low"}}]}
        ]
    }
    part = sent(body, NEW)["contents"][0]["parts"][0]
    assert part["mediaResolution"] == {"level": "MEDIA_RESOLUTION_LOW"}
    assert lacking(body, OLD) == "messages[0].content[0].image_url.detail"


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "image_url", "image_url": {"url": "https://p.test/cat"}}, "messages[0].content[0].image_url.url"),
        ({"type": "image_url", "image_url": {"url": "https://["}}, "messages[0].content[0].image_url.url"),
        ({"type": "file", "file": {"file_id": "file-1"}}, "messages[0].content[0].file"),
    ],
)
def test_what_cannot_be_shown_is_told(part: dict[str, Any], param: str) -> None:
    assert lacking({"messages": [{"role": "user", "content": [part]}]}) == param


def test_arguments_that_are_no_object_are_told() -> None:
    broken = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "[1]"}}
    body = {"messages": [{"role": "assistant", "tool_calls": [broken]}]}
    assert lacking(body) == "messages[0].tool_calls[0].function.arguments"
