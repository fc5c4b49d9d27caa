from random import Random

from hypothesis import given
from hypothesis import strategies as st

from simulator.config import Config
from simulator.exchange import Request
from simulator.faults import Refuse
from simulator.provider import Instant, Provider
from simulator.script import Script
from simulator.served import ServedLog

NOW = Instant(0.0, 0.0)


def provider(**script):
    return Provider(Config(default=Script.model_validate(script)), ServedLog(keep=1000, keep_requests=10))


def fault_of(provider, prompt="hello", model="m"):
    body = b'{"model":"%b","messages":[{"role":"user","content":"%b"}]}' % (model.encode(), prompt.encode())
    performance = provider.receive(Request("POST", "/v1/chat/completions", "", (), body), NOW)
    provider.finish(performance, "completed", NOW)
    return performance.call.fault


def test_a_fault_without_a_rule_strikes_always():
    assert Refuse(status=500).strikes(1000, 1, Random(0))


def test_the_first_calls_fail_and_the_others_do_not():
    flaky = provider(status=500, first=2)
    assert [fault_of(flaky) for _ in range(4)] == ["status", "status", None, None]


def test_every_third_call_fails():
    flaky = provider(hang_up="close", every=3)
    assert [fault_of(flaky) for _ in range(6)] == [None, None, "hang_up", None, None, "hang_up"]


def test_each_prompt_can_fail_once_whatever_the_order():
    flaky = provider(status=500, first=1, per="prompt")
    assert [fault_of(flaky, prompt) for prompt in ("a", "b", "a", "b")] == ["status", "status", None, None]


def test_the_first_fault_that_strikes_is_the_one():
    flaky = provider(faults=[{"status": 500, "every": 2}, {"cut_after": 1}])
    assert [fault_of(flaky) for _ in range(2)] == ["cut_after", "status"]


def test_the_calls_of_two_models_are_counted_apart():
    flaky = provider(status=500, first=1)
    assert [fault_of(flaky, model=model) for model in ("m", "n", "m")] == ["status", "status", None]


def test_a_new_script_counts_anew_and_leaves_the_other_models_alone():
    flaky = provider(status=500, first=1)
    fault_of(flaky, model="m"), fault_of(flaky, model="n")
    flaky.put_script("m", Script.model_validate({"status": 500, "first": 1}))
    assert [fault_of(flaky, model=model) for model in ("m", "n")] == ["status", None]


def test_a_reset_forgets_the_calls():
    flaky = provider(status=500, first=1)
    fault_of(flaky)
    flaky.reset()
    assert fault_of(flaky) == "status"


@given(st.permutations(["a", "b", "c", "a", "b", "c", "d", "e"]))
def test_chance_does_not_depend_on_the_order_of_the_prompts(prompts):
    in_order, shuffled = provider(status=500, probability=0.5), provider(status=500, probability=0.5)
    expected = sorted((prompt, str(fault_of(in_order, prompt))) for prompt in sorted(prompts))
    assert sorted((prompt, str(fault_of(shuffled, prompt))) for prompt in prompts) == expected


def test_chance_strikes_about_as_often_as_it_should():
    flaky = provider(status=500, probability=0.25)
    struck = sum(fault_of(flaky, f"prompt {number}") is not None for number in range(1000))
    assert 200 < struck < 300


def test_a_hang_up_sends_nothing():
    flaky = provider(hang_up="reset")
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}]}'
    response = flaky.receive(Request("POST", "/v1/chat/completions", "", (), body), NOW).response
    assert response.status is None
