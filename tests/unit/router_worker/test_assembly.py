"""The whole answer, put together from what has come so far."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from services.router_worker.assembly import Assembler
from services.router_worker.events import Answered, Chunk, Failed, UsageReported
from services.router_worker.failures import Failure, FailureKind
from shared.contracts import TokenUsage


def a_chunk(delta: dict[str, Any], *, index: int = 0, plain: bool = False, **fields: Any) -> Chunk:
    choice = {"index": index, "delta": delta, "finish_reason": None, **fields}
    data = {"id": "chatcmpl-ours", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [choice]}
    text = delta.get("content") or ""
    return Chunk(orjson.dumps(data), text, is_output=bool(text), plain=plain, choice=index)


def said(text: str, index: int = 0) -> Chunk:
    return a_chunk({"content": text}, index=index, plain=True)


def begun(index: int = 0) -> Chunk:
    return a_chunk({"role": "assistant", "content": "", "refusal": None}, index=index)


def ended(reason: str = "stop", index: int = 0) -> Chunk:
    return a_chunk({}, index=index, finish_reason=reason)


def assembled(*events: Any) -> Assembler:
    assembler = Assembler()
    for event in events:
        assembler.add(event)
    return assembler


def response(*events: Any) -> dict[str, Any]:
    whole: Any = assembled(*events).response()
    return whole


def message(*events: Any) -> dict[str, Any]:
    found: dict[str, Any] = response(*events)["choices"][0]["message"]
    return found


def test_pieces_of_text_become_one_answer() -> None:
    usage = UsageReported(TokenUsage(), None, {"prompt_tokens": 1, "completion_tokens": 2})
    assert response(begun(), said("Hel"), said("lo"), ended(), usage) == {
        "id": "chatcmpl-ours",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }


def test_nothing_said_is_no_answer() -> None:
    assert assembled().response() is None
    assert assembled(Failed(Failure(FailureKind.CUT, "cut"))).response() is None
    assert assembled().text == ""
    assert not assembled().is_resumable


def test_an_answer_that_was_cut_has_no_finish_reason() -> None:
    choice = response(begun(), said("Hel"))["choices"][0]
    assert choice["message"]["content"] == "Hel"
    assert choice["finish_reason"] is None


def test_the_answer_can_be_asked_for_again_and_again() -> None:
    assembler = assembled(begun(), said("a"))
    assert assembler.text == "a"
    assembler.add(said("b"))
    assert assembler.text == "ab"
    assembler.add(a_chunk({"content": "c"}))
    assembler.add(said("d"))
    assert assembler.text == "abcd"


def test_choices_do_not_mix() -> None:
    events = [begun(), begun(1), said("Y"), said("N", 1), said("o", 1), said("es"), ended("length", 1), ended()]
    choices = response(*events)["choices"]
    assert [(c["index"], c["message"]["content"], c["finish_reason"]) for c in choices] == [
        (0, "Yes", "stop"),
        (1, "No", "length"),
    ]


def fragment(index: int, arguments: str, **call: Any) -> Chunk:
    function = {"arguments": arguments, **call.pop("function", {})}
    return a_chunk({"tool_calls": [{"index": index, "function": function, **call}]})


def test_fragments_of_parallel_tool_calls_join_by_their_index() -> None:
    calls = message(
        begun(),
        fragment(0, "", id="call_a", type="function", function={"name": "f"}),
        fragment(1, '{"x"', id="call_b", type="function", function={"name": "g"}),
        fragment(0, "{"),
        fragment(1, ": 1}"),
        fragment(0, "}"),
    )["tool_calls"]
    assert calls == [
        {"id": "call_a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "call_b", "type": "function", "function": {"name": "g", "arguments": '{"x": 1}'}},
    ]


def test_two_fragments_of_a_call_may_come_in_one_chunk() -> None:
    both = a_chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}} for part in ("{", "}")]})
    assert message(begun(), both)["tool_calls"][0]["function"]["arguments"] == "{}"


def test_a_name_that_is_repeated_is_not_doubled() -> None:
    repeated = {"id": "call_a", "type": "function", "function": {"name": "f"}}
    call = message(begun(), fragment(0, "{", **repeated), fragment(0, "}", **repeated))["tool_calls"][0]
    assert call == {"id": "call_a", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def test_log_probabilities_are_strung_together() -> None:
    parts = [
        a_chunk({"content": token}, logprobs={"content": [{"token": token, "logprob": -1}], "refusal": None})
        for token in "ab"
    ]
    choice = response(begun(), *parts, ended())["choices"][0]
    assert [entry["token"] for entry in choice["logprobs"]["content"]] == ["a", "b"]


@pytest.mark.parametrize("name", ["refusal", "reasoning_content", "something_of_tomorrow"])
def test_texts_of_any_name_are_kept(name: str) -> None:
    assert message(begun(), a_chunk({name: "I "}), a_chunk({name: "can"}))[name] == "I can"


def test_unknown_fields_are_kept_beside_the_message_and_beside_the_choices() -> None:
    chunk = a_chunk({"content": "a"}, native_finish_reason="STOP")
    data = {**orjson.loads(chunk.data), "system_fingerprint": "fp_1", "provider": "X"}
    whole = response(begun(), chunk._replace(data=orjson.dumps(data)), said("b"))
    assert whole["system_fingerprint"] == "fp_1"
    assert whole["provider"] == "X"
    assert whole["choices"][0]["native_finish_reason"] == "STOP"


def test_a_whole_answer_is_taken_as_it_is() -> None:
    whole: Any = {"id": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}]}
    assert assembled(Answered(whole)).response() == whole
    assert assembled(Answered(whole)).output == "Hi"


def test_everything_that_was_generated_is_counted() -> None:
    events = [begun(), a_chunk({"reasoning": "Hm."}), said("Yes"), fragment(0, "{}", id="call_a", type="function")]
    assert sorted(assembled(*events, begun(1), said("No", 1)).output) == sorted("Hm.Yes{}No")


def test_an_answer_of_nothing_but_text_can_be_continued() -> None:
    assert assembled(begun(), said("It was")).is_resumable
    assert not assembled(begun()).is_resumable
    assert not assembled(begun(), said("It was"), fragment(0, "{")).is_resumable
    assert not assembled(begun(), said("It was"), a_chunk({"reasoning": "Hm."})).is_resumable
    assert not assembled(begun(), said("It was"), begun(1), said("x", 1)).is_resumable


def test_an_answer_goes_on_behind_an_attempt_that_broke() -> None:
    whole = response(begun(), said("It was "), begun(), said("dark."), ended())
    assert whole["choices"][0]["message"]["content"] == "It was dark."
    assert whole["choices"][0]["finish_reason"] == "stop"


def test_recorded_tool_calls_come_out_whole() -> None:
    golden = Path(__file__).parents[2] / "dialects" / "recordings" / "openai" / "tool-calls.json"
    chunks = [event["chunk"] for event in orjson.loads(golden.read_bytes()) if "chunk" in event]
    events = [Chunk(orjson.dumps(chunk), "", is_output=True, plain=False, choice=0) for chunk in chunks]
    assert [call["function"] for call in message(*events)["tool_calls"]] == [
        {"name": "weather", "arguments": '{"city":"Bern"}'},
        {"name": "time", "arguments": "{}"},
    ]


def test_calls_that_are_null_are_none() -> None:
    response = assembled(a_chunk({"role": "assistant", "content": "Hi", "tool_calls": None}), ended()).response()
    assert response is not None
    choices: Any = response["choices"]
    assert choices[0]["message"] == {"role": "assistant", "content": "Hi"}
