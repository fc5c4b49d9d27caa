"""What of a chat request is counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.tokens import ChatTokens, TokenCounter
from shared.tokens.chat import countable


@pytest.fixture(scope="module")
def counter() -> TokenCounter:
    return TokenCounter()


def test_the_cookbooks_example_counts_what_the_cookbook_says(counter: TokenCounter) -> None:
    """cookbook.openai.com, "How to count tokens with tiktoken", section 6: 129 by gpt-4 and gpt-3.5, 124 by gpt-4o."""
    said = [
        (
            "system",
            None,
            "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
        ),
        ("system", "example_user", "New synergies will help drive top-line growth."),
        ("system", "example_assistant", "Things working well together will increase revenue."),
        (
            "system",
            "example_user",
            "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
        ),
        ("system", "example_assistant", "Let's talk later when we're less busy about how to do better."),
        ("user", None, "This late pivot means we don't have time to boil the ocean for the client deliverable."),
    ]
    messages: list[JsonValue] = [
        {"role": role, "content": text} | ({"name": name} if name else {}) for role, name, text in said
    ]

    assert counter.count_chat("cl100k_base", {"messages": messages}).input == 129
    assert counter.count_chat("o200k_base", {"messages": messages}).input == 124


def test_content_in_parts_counts_as_its_text(counter: TokenCounter) -> None:
    plain: JsonValue = [{"role": "user", "content": "How many?"}]
    parts: JsonValue = [{"role": "user", "content": [{"type": "text", "text": "How many?"}]}]

    assert counter.count_chat("o200k_base", {"messages": plain}) == counter.count_chat(
        "o200k_base", {"messages": parts}
    )


@pytest.mark.parametrize(("detail", "cost"), [("low", 85), ("high", 765), (None, 765)])
def test_an_image_costs_by_its_detail_and_not_by_its_bytes(
    counter: TokenCounter, detail: str | None, cost: int
) -> None:
    image: JsonValue = {"url": "data:image/png;base64," + "A" * 100_000} | ({"detail": detail} if detail else {})
    empty: JsonValue = [{"role": "user", "content": []}]
    message: JsonValue = [{"role": "user", "content": [{"type": "image_url", "image_url": image}]}]

    without = counter.count_chat("o200k_base", {"messages": empty}).input

    assert counter.count_chat("o200k_base", {"messages": message}) == ChatTokens(
        without + cost, without + cost, images=1
    )


def test_audio_and_files_count_nothing(counter: TokenCounter) -> None:
    part: JsonValue = {"type": "input_audio", "input_audio": {"data": "A" * 100_000, "format": "wav"}}

    assert counter.count_chat("o200k_base", {"messages": [{"role": "user", "content": [part]}]}).input < 10


def test_tools_calls_and_schemas_are_counted() -> None:
    tool: JsonValue = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    call: JsonValue = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    schema: JsonValue = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "string"}}}

    request = countable(
        {
            "messages": [{"role": "assistant", "content": None, "tool_calls": [call]}],
            "tools": [tool],
            "response_format": schema,
        }
    )

    assert [text for text in request.texts if "weather" in text or "answer" in text] == [
        '{"id":"c1","type":"function","function":{"name":"weather","arguments":"{}"}}',
        '[{"type":"function","function":{"name":"weather","parameters":{"type":"object"}}}]',
        '{"name":"answer","schema":{"type":"string"}}',
    ]


def test_what_only_steers_the_model_is_not_counted() -> None:
    steered = countable({"messages": [], "temperature": 0.5, "user": "somebody", "response_format": {"type": "text"}})

    assert steered == countable({"messages": []})


def test_a_request_nested_thousands_deep_does_not_make_it_fail() -> None:
    deep: JsonValue = []
    for _ in range(5_000):
        deep = [deep]

    assert countable({"messages": [{"content": deep}], "tools": deep}).fixed == 6


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
part = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image_url", "refusal", "file", "odd"])},
    optional={"text": anything, "image_url": anything},
)
message = st.fixed_dictionaries({}, optional={"role": anything, "content": anything | st.lists(part), "name": anything})


@given(st.fixed_dictionaries({}, optional={"messages": anything | st.lists(message), "tools": anything}))
def test_no_body_makes_it_fail(body: dict[str, JsonValue]) -> None:
    request = countable(body)

    assert request.fixed >= 3
    assert request.characters >= 0


@pytest.mark.parametrize(
    ("given", "texts", "tokens"),
    [("one", ("one",), 0), (["one", "two"], ("one", "two"), 0), ([1, 2, 3], (), 3), ([[1, 2], [3]], (), 3)],
)
def test_of_embeddings_the_texts_or_their_tokens_are_counted(
    given: JsonValue, texts: tuple[str, ...], tokens: int
) -> None:
    request = countable({"input": given})
    assert (request.texts, request.fixed) == (texts, tokens)
