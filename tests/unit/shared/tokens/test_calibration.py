"""What a vendor's own tokenizer counts is not much more than what is said at most, for each of the sample prompts.

`vendors.json` has what those tokenizers count; `shared/tokens/calibration.py` says which they are.
"""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog import find
from shared.tokens import EXACT, Calibration, TokenCounter

SAMPLES: Final = Path(__file__).parents[4] / "samples" / "prompts.jsonl"
TRUTH: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("vendors.json").read_text(encoding="utf-8"))
MODELS: Final = [
    ("claude-3-5-sonnet", "claude-3.0"),
    ("claude-sonnet-4-5", "claude-3.0"),
    ("claude-opus-4-7", "claude-4.7"),
    ("claude-sonnet-5", "claude-4.8"),
    ("mistral-7b", "mistral-v1"),
    ("mistral-large-2411", "mistral-v3"),
    ("mistral-nemo", "mistral-tekken"),
    ("llama-3.3", "llama3"),
    ("llama-4", "llama4"),
    ("deepseek-chat", "deepseek"),
    ("qwen2.5", "qwen"),
    ("qwen3", "qwen3_6"),
]


@pytest.fixture(scope="module")
def counter() -> TokenCounter:
    return TokenCounter()


def prompts() -> list[dict[str, Any]]:
    return [json.loads(line) for line in SAMPLES.read_text(encoding="utf-8").splitlines()]


def texts_of(prompt: dict[str, Any]) -> list[str]:
    return [message["content"] for message in prompt["body"]["messages"] if isinstance(message["content"], str)]


@pytest.mark.parametrize(("model", "tokenizer"), MODELS)
def test_the_most_is_never_a_tenth_below_the_truth(counter: TokenCounter, model: str, tokenizer: str) -> None:
    facts = find(model)
    assert facts.family is not None
    said, really = [], TRUTH["tokens"][tokenizer]
    for prompt in prompts():
        texts = texts_of(prompt)
        counted = sum(counter.count_text(facts.encoding, text) for text in texts)
        said.append(facts.calibration.most(counted, texts))
    assert [prompt["custom_id"] for prompt in prompts()] == TRUTH["prompts"]
    short = [(most, truth) for most, truth in zip(said, really, strict=True) if most < 0.9 * truth]
    assert short == []
    assert sum(said) < 1.35 * sum(really)


def test_of_a_model_that_counts_as_we_do_it_is_what_we_count(counter: TokenCounter) -> None:
    body = {"messages": [{"role": "user", "content": "It costs 1234567 euros."}]}
    tokens = counter.count_chat("o200k_base", body, find("gpt-4o").calibration)
    assert tokens.most == tokens.input


def test_pictures_count_for_what_they_may_cost(counter: TokenCounter) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    body = {"messages": [{"role": "user", "content": [picture, picture]}]}
    tokens = counter.count_chat("o200k_base", body, find("claude-3-5-sonnet").calibration)
    assert (tokens.images, tokens.most - tokens.input >= 2 * (1600 - 765)) == (2, True)


@given(st.integers(0, 10**6), st.lists(st.text(max_size=20), max_size=3))
def test_a_bound_is_never_less_than_what_was_counted(counted: int, texts: list[str]) -> None:
    assert EXACT.most(counted, texts) == counted
    assert Calibration(100, digits_apart=True).most(counted, texts) >= counted
    assert find("a-model-of-tomorrow").calibration.most(counted, texts) >= counted
