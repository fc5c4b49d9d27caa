"""Who brings in what, through which door: decided by the seed alone."""

import json

from hypothesis import given
from hypothesis import strategies as st

from cli.demonstration.plan import Errand, planned
from cli.demonstration.prompts import Prompt
from shared.contracts import Door


def prompts(count: int) -> tuple[Prompt, ...]:
    names = [f"prompt-{number}" for number in range(count)]
    return tuple(Prompt(name, "gpt-4o", json.dumps({"custom_id": name}).encode(), {}) for name in names)


def names(errands: tuple[Errand, ...]) -> list[str]:
    return [prompt.custom_id for errand in errands for prompt in errand.prompts]


@given(st.integers(1, 200), st.integers())
def test_every_prompt_is_brought_in_once(count: int, seed: int) -> None:
    assert sorted(names(planned(prompts(count), seed))) == sorted(prompt.custom_id for prompt in prompts(count))


@given(st.integers(1, 60), st.integers())
def test_the_same_seed_plans_the_same(count: int, seed: int) -> None:
    assert planned(prompts(count), seed) == planned(prompts(count), seed)


@given(st.integers(6, 200), st.integers())
def test_each_door_gets_a_third(count: int, seed: int) -> None:
    sent = dict.fromkeys((Door.CHAT, Door.JOBS, Door.TOPIC), 0)
    for errand in planned(prompts(count), seed):
        sent[errand.door] += len(errand.prompts)
    assert max(sent.values()) - min(sent.values()) <= 1


@given(st.integers(6, 200), st.integers())
def test_the_jobs_door_takes_single_jobs_that_are_followed_and_files_that_are_not(count: int, seed: int) -> None:
    errands = [errand for errand in planned(prompts(count), seed) if errand.door is Door.JOBS]
    assert {errand.as_lines for errand in errands} == {False, True}
    for errand in errands:
        assert bool(errand.readers) is not errand.as_lines
        assert errand.as_lines or len(errand.prompts) == 1


@given(st.integers(6, 200), st.integers())
def test_somebody_always_drops_a_connection_and_resumes(count: int, seed: int) -> None:
    assert any(reader.drops for errand in planned(prompts(count), seed) for reader in errand.readers)


@given(st.integers(1, 5000), st.integers())
def test_all_have_come_within_some_seconds(count: int, seed: int) -> None:
    errands = planned(prompts(count), seed)
    times = [errand.at_seconds for errand in errands]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= 6.0
