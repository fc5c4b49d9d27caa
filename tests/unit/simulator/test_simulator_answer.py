import json
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from simulator.answer import compose
from simulator.exchange import Ask, Said, Tool, ToolCalled, ToolSaid
from simulator.script import Script

TOOL = Tool("weather", (("city", "string"), ("days", "integer"), ("warm", "boolean"), ("odds", "number")))


def ask(**changes):
    return Ask(**{"model": "m", "stream": True, "prompt": b"p", "prompt_tokens": 10, **changes})


def text(answer, choice=0):
    return "".join(said.text for said in answer.choices[choice] if isinstance(said, Said))


def answer_to(request, script, seed="seed"):
    return compose(request, script, Random(seed))


def test_the_same_seed_says_the_same():
    script = Script(tokens="20..90")
    assert answer_to(ask(), script) == answer_to(ask(), script)


def test_another_seed_says_something_else():
    script = Script(tokens=50)
    assert text(answer_to(ask(), script)) != text(answer_to(ask(), script, "other"))


@given(st.integers(0, 400))
def test_an_answer_has_exactly_as_many_tokens_as_scripted(tokens):
    answer = answer_to(ask(), Script(tokens=tokens))
    assert len(answer.choices[0]) == tokens == answer.usage.output_tokens
    assert answer.reasons == ("stop",)


@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 30))
def test_the_callers_maximum_ends_the_same_text_earlier(maximum, tokens, reasoning):
    whole = answer_to(ask(), Script(tokens=tokens))
    limited = answer_to(ask(max_tokens=maximum), Script(tokens=tokens, reasoning_tokens=reasoning))
    room = max(maximum - reasoning, 0)
    assert limited.choices[0] == whole.choices[0][:room]
    assert limited.reasons == ("length" if room < tokens else "stop",)


@given(st.integers(0, 60), st.integers(0, 3))
def test_an_answer_goes_on_after_its_own_beginning(cut, trimmed):
    whole = text(answer_to(ask(), Script(tokens=60)))
    beginning = "".join(said.text for said in answer_to(ask(), Script(tokens=60)).choices[0][:cut])
    beginning = beginning[: max(len(beginning) - trimmed, 0)]
    continued = answer_to(ask(prefix=beginning), Script(tokens=60))
    assert beginning + text(continued) == whole
    assert continued.usage.output_tokens == len(continued.choices[0])


def test_a_foreign_beginning_is_followed_by_the_whole_text():
    whole = answer_to(ask(), Script(tokens=20))
    assert answer_to(ask(prefix="Something else"), Script(tokens=20)) == whole


def test_two_choices_say_different_things_and_both_are_billed():
    answer = answer_to(ask(choices=2), Script(tokens=30, reasoning_tokens=5))
    assert text(answer, 0) != text(answer, 1)
    assert answer.usage.output_tokens == 70
    assert answer.usage.reasoning_tokens == 10


def test_cached_tokens_are_never_more_than_the_prompt():
    assert answer_to(ask(prompt_tokens=7), Script(cached_tokens=100)).usage.cached_tokens == 7


def test_tools_are_called_with_valid_arguments_in_fragments():
    answer = answer_to(ask(tools=(TOOL,)), Script(tools=2))
    said = answer.choices[0]
    assert [(call.tool, call.name) for call in said if isinstance(call, ToolCalled)] == [(0, "weather"), (1, "weather")]
    for tool in range(2):
        fragments = [part.fragment for part in said if isinstance(part, ToolSaid) and part.tool == tool]
        arguments = json.loads("".join(fragments))
        assert len(fragments) > 1
        assert {name: type(value) for name, value in arguments.items()} == {
            "city": str,
            "days": int,
            "warm": bool,
            "odds": float,
        }
    assert answer.reasons == ("tool_calls",)
    assert answer.usage.output_tokens == sum(isinstance(part, ToolSaid) for part in said)


def test_interleaved_tools_take_turns():
    said = answer_to(ask(tools=(TOOL,)), Script(tools=2, tool_order="interleaved")).choices[0]
    assert [part.tool for part in said[:4]] == [0, 1, 0, 1]


def test_no_tool_is_called_that_was_not_offered():
    answer = answer_to(ask(), Script(tools=2, tokens=5))
    assert answer.reasons == ("stop",)
    assert len(answer.choices[0]) == 5


def test_a_caller_who_insists_gets_a_tool_call():
    assert answer_to(ask(tools=(TOOL,), tools_at_least=1), Script()).reasons == ("tool_calls",)


def test_the_script_has_the_last_word_on_the_reason():
    assert answer_to(ask(), Script(finish="content_filter")).reasons == ("content_filter",)
