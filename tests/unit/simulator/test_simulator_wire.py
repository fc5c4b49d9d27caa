import json
from random import Random

import pytest

from simulator.answer import compose
from simulator.course import Telling, course
from simulator.dialects.dialect import RefusalError, Route, Stamp
from simulator.dialects.openai_chat import OpenAIChat
from simulator.exchange import Refusal, Request
from simulator.script import Script

TOOLS = [
    {
        "type": "function",
        "function": {"name": "look", "parameters": {"properties": {"at": {"type": ["string", "null"]}}}},
    },
    {"type": "function", "function": {"name": "go", "parameters": {"properties": {"fast": True}}}},
]


def request(**fields):
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}], **fields}
    return Request("POST", "/v1/chat/completions", "", (), json.dumps(body).encode())


def understood(**fields):
    return OpenAIChat().understand(request(**fields))


def stream(script, **fields):
    """The events of the answer to such a request, decoded, and the answer itself."""
    ask = understood(stream=True, **fields)
    answer = compose(ask, script, Random(1))
    voice = OpenAIChat().voice(ask, Stamp("abc", 7, "m"))
    said = b"".join(
        voice.say(event)
        for _, event in course(answer, script, Random(1), usage=Telling.APART if ask.usage else Telling.NEVER)
    )
    events = said.decode().removesuffix("\n\n").split("\n\n")
    assert events.pop() == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in events], json.loads(voice.whole(answer, answer.usage))


def assembled(chunks):
    """What a client makes of the events of one choice."""
    message = {"content": "", "tool_calls": []}
    for delta in (chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]):
        message["content"] += delta.get("content") or ""
        for call in delta.get("tool_calls", ()):
            if call["index"] == len(message["tool_calls"]):
                message["tool_calls"].append({key: call[key] for key in ("id", "type", "function")})
            else:
                assert set(call) == {"index", "function"}
                message["tool_calls"][call["index"]]["function"]["arguments"] += call["function"]["arguments"]
    return message


def test_every_event_names_the_answer_and_every_choice_its_reason():
    chunks, _ = stream(Script(tokens=5))
    for chunk in chunks:
        assert (chunk["id"], chunk["object"], chunk["created"]) == ("chatcmpl-abc", "chat.completion.chunk", 7)
        assert "finish_reason" in chunk["choices"][0]
        assert "usage" not in chunk
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_a_stream_and_a_whole_answer_say_the_same():
    chunks, body = stream(Script(tokens=90))
    assert assembled(chunks)["content"] == body["choices"][0]["message"]["content"]


def test_the_text_is_not_all_ascii():
    _, body = stream(Script(tokens=900))
    assert not body["choices"][0]["message"]["content"].isascii()


def test_usage_comes_alone_in_the_last_event_and_is_null_before():
    chunks, body = stream(Script(tokens=5, reasoning_tokens=3, cached_tokens=2), stream_options={"include_usage": True})
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == body["usage"]
    assert body["usage"]["completion_tokens"] == 8
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + 8
    assert body["usage"]["prompt_tokens_details"]["cached_tokens"] == 2
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] == 3


@pytest.mark.parametrize("order", ["sequential", "interleaved"])
def test_tool_calls_can_be_put_together_from_their_fragments(order):
    chunks, body = stream(Script(tools=3, tool_order=order), tools=TOOLS)
    assert assembled(chunks)["tool_calls"] == body["choices"][0]["message"]["tool_calls"]
    assert [call["function"]["name"] for call in body["choices"][0]["message"]["tool_calls"]] == ["look", "go", "look"]
    assert body["choices"][0]["message"]["content"] is None
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_log_probabilities_come_when_asked_for():
    chunks, body = stream(Script(tokens=3), logprobs=True, top_logprobs=2)
    streamed = [chunk["choices"][0]["logprobs"]["content"][0] for chunk in chunks[1:-1]]
    assert streamed == body["choices"][0]["logprobs"]["content"]
    for likelihood in streamed:
        assert bytes(likelihood["bytes"]).decode() == likelihood["token"]
        assert len(likelihood["top_logprobs"]) == 2
        assert likelihood["top_logprobs"][0]["token"] == likelihood["token"]


def test_a_model_name_is_escaped():
    ask = understood(model='we"ird%s', stream=True)
    voice = OpenAIChat().voice(ask, Stamp("abc", 7, ask.model))
    body = json.loads(voice.whole(compose(ask, Script(), Random(1)), None))
    assert body["model"] == 'we"ird%s'
    assert "usage" not in body


def test_a_prompt_costs_a_token_per_four_bytes_and_three_per_message():
    messages = [
        {"role": "system", "content": "äöü"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "abc"}, {"type": "image_url", "image_url": {"url": "x"}}],
        },
        {"role": "assistant", "content": None, "tool_calls": []},
    ]
    assert understood(messages=messages).prompt_tokens == 3 + 85 + 3 * 3


def test_a_trailing_answer_is_a_beginning_and_not_part_of_the_prompt():
    question = {"role": "user", "content": "hello"}
    continued = understood(messages=[question, {"role": "assistant", "content": "Well"}])
    assert continued.prefix == "Well"
    assert continued.prompt == understood().prompt


def test_roles_and_contents_decide_the_prompt():
    prompts = {
        understood(messages=messages).prompt
        for messages in (
            [{"role": "user", "content": "ab"}],
            [{"role": "system", "content": "ab"}],
            [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}],
        )
    }
    assert len(prompts) == 3


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"tool_choice": "none"}, []),
        ({"tool_choice": "auto"}, ["look", "go"]),
        ({"tool_choice": "required"}, ["look", "go"]),
        ({"tool_choice": {"type": "function", "function": {"name": "go"}}}, ["go"]),
    ],
)
def test_the_callers_choice_of_tools_is_obeyed(fields, names):
    ask = understood(tools=TOOLS, **fields)
    assert [tool.name for tool in ask.tools] == names
    assert ask.tools_at_least == (fields["tool_choice"] not in ("none", "auto"))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "nobody", "content": ""}]}, "messages.0.role"),
        ({"model": ""}, "model"),
        ({"n": 0}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
    ],
)
def test_a_request_that_cannot_be_served_names_the_parameter(fields, param):
    with pytest.raises(RefusalError) as caught:
        understood(**fields)
    assert (caught.value.refusal.status, caught.value.refusal.param) == (400, param)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"model":"m"}'])
def test_a_body_that_is_no_request_is_refused(body):
    with pytest.raises(RefusalError):
        OpenAIChat().understand(Request("POST", "/v1/chat/completions", "", (), body))


def test_unknown_fields_do_no_harm():
    assert understood(frobnicate={"deeply": [1]}, metadata={"feature": "x"}, store=True).model == "m"


@pytest.mark.parametrize(
    ("asked", "served"), [({}, "default"), ({"service_tier": "auto"}, "default"), ({"service_tier": "flex"}, "flex")]
)
def test_a_call_is_served_in_the_class_that_it_asks_for(asked, served):
    events, whole = stream(Script(), **asked)
    assert {each["service_tier"] for each in (*events, whole)} == {served}


def test_a_script_may_come_as_metadata():
    assert understood(metadata={"sim": "tokens=3"}).script == "tokens=3"


def test_only_its_own_doors_are_served():
    dialect = OpenAIChat()
    assert dialect.serves("POST", "/v1/chat/completions") is Route.ANSWER
    assert dialect.serves("GET", "/v1/models") is Route.MODELS
    assert dialect.serves("GET", "/v1/chat/completions") is None


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 413, 418, 422, 429, 500, 502, 503, 529])
def test_every_status_has_an_error_in_openais_shape(status):
    reply = OpenAIChat().refuse(Refusal(status))
    error = json.loads(reply.body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]


def test_a_proxys_error_page_is_sent_as_it_stands():
    reply = OpenAIChat().refuse(Refusal(502, body="<h1>Bad Gateway</h1>"))
    assert reply.body == b"<h1>Bad Gateway</h1>"
    assert dict(reply.headers)["content-type"].startswith("text/html")
