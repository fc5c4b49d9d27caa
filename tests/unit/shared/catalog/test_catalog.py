"""Models found by the names people give them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog import find
from shared.catalog.families import FAMILIES


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-4o", "gpt-4o"),
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-05-13"),
        ("gpt-4", "gpt-4"),
        ("gpt-4-0613", "gpt-4"),
        ("gpt-4-turbo-2024-04-09", "gpt-4-turbo"),
        ("gpt-4.1-nano", "gpt-4.1"),
        ("gpt-5-mini", "gpt-5"),
        ("gpt-35-turbo", "gpt-35-turbo"),
        ("o3", "o3"),
        ("o3-mini-2025-01-31", "o3-mini"),
        ("openai/gpt-4o", "gpt-4o"),
        ("ft:gpt-4o-mini-2024-07-18:acme::a1b2", "gpt-4o-mini"),
        ("claude-3-5-sonnet-20241022", "claude-3-5"),
        ("claude-opus-4-20250514", "claude-opus-4"),
        ("claude-opus-4-6", "claude-opus-4-6"),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", "claude-sonnet-4"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "claude-3-haiku"),
        ("gemini-2.5-pro-preview-05-06", "gemini-2.5"),
        ("models/gemini-1.5-pro-002", "gemini-1.5-pro"),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama-3.3"),
        ("meta-llama/Meta-Llama-3-8B", "meta-llama-3"),
        ("meta.llama3-3-70b-instruct-v1:0", "llama3-3"),
        ("llama3.1:8b", "llama3.1"),
        ("mistralai/Mistral-Large-2411", "mistral-large-2411"),
        ("command-r-plus-08-2024", "command-r-plus"),
        ("deepseek/deepseek-chat", "deepseek-chat"),
        ("Qwen/Qwen2.5-72B-Instruct", "qwen2.5"),
    ],
)
def test_a_model_is_found_by_the_longest_family_in_front_of_its_name(model: str, family: str) -> None:
    assert find(model).family == family


@pytest.mark.parametrize(
    "model", ["o365", "omni-moderation", "open-mistral", "o", "gpt", "gpt-4omni", "my-gpt-4o", "", "/"]
)
def test_a_family_ends_where_a_word_ends(model: str) -> None:
    assert find(model).family is None


def test_of_an_unknown_model_only_a_guess_is_said() -> None:
    facts = find("house-blend")

    assert (facts.encoding, facts.is_encoding_exact) == ("o200k_base", False)
    assert (facts.context_window, facts.max_output_tokens) == (None, None)


@pytest.mark.parametrize(
    ("model", "encoding"), [("gpt-4", "cl100k_base"), ("gpt-4o", "o200k_base"), ("o3", "o200k_base")]
)
def test_openais_models_count_as_tiktoken_says(model: str, encoding: str) -> None:
    facts = find(model)

    assert (facts.encoding, facts.is_encoding_exact) == (encoding, True)


def test_another_vendors_count_is_a_guess() -> None:
    assert not find("claude-3-opus").is_encoding_exact


def test_no_name_stands_in_the_table_twice() -> None:
    names = [name for family in FAMILIES for name in family.names]

    assert len(names) == len(set(names))


def test_names_in_the_table_are_written_as_they_are_looked_up() -> None:
    for family in FAMILIES:
        for name in family.names:
            assert find(name).family == name


def test_no_model_writes_more_than_it_holds() -> None:
    for family in FAMILIES:
        if family.context_window is not None and family.max_output_tokens is not None:
            assert 0 < family.max_output_tokens <= family.context_window


@given(st.text(max_size=60))
def test_no_name_makes_it_fail(model: str) -> None:
    find(model)


@pytest.mark.parametrize(
    ("model", "embeds"),
    [
        ("text-embedding-3-large", True),
        ("openai/text-embedding-ada-002", True),
        ("gemini-embedding-001", True),
        ("gemini-2.5-pro", False),
        ("qwen3-32b", False),
        ("qwen3-embedding-8b", True),
        ("llama-3.1-nemoretriever-embed", None),
        ("somebodys-own", None),
    ],
)
def test_whether_a_model_makes_embeddings_is_known_or_nobody_claims_it(model: str, embeds: bool | None) -> None:
    assert find(model).embeds is embeds
