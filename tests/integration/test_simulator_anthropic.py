"""The official Anthropic client takes the simulator for Anthropic."""

from collections.abc import AsyncIterator

import anthropic
import pytest

from simulator import Config, Quota, Script, Simulator, running_simulator

QUESTION = [{"role": "user", "content": "What is the answer?"}]
TOOLS = [
    {
        "name": "get_weather",
        "description": "Of a place.",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
]
CONFIG = Config(
    seed=1,
    models={
        "talker": Script(tokens=20, cached_tokens=2, cache_written_tokens=1),
        "thinker": Script(tokens=5, thoughts=6),
        "caller": Script(tools=2, tokens=3),
        "prude": Script(tokens=5, refusal=True),
        "frugal": Script(tokens=5),
    },
    quotas={"frugal": Quota(rpm=1)},
    api_keys=("sk-ant-good",),
)


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with running_simulator(CONFIG) as simulator:
        yield simulator


@pytest.fixture
async def client(sim: Simulator) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=sim.url, api_key="sk-ant-good", max_retries=0, timeout=10) as opened:
        yield opened


async def whole(client: anthropic.AsyncAnthropic, model: str = "talker", **options):
    return await client.messages.create(model=model, max_tokens=500, messages=QUESTION, **options)


async def streamed(client: anthropic.AsyncAnthropic, model: str = "talker", **options):
    async with client.messages.stream(model=model, max_tokens=500, messages=QUESTION, **options) as stream:
        return await stream.get_final_message()


async def test_a_stream_adds_up_to_the_whole_answer(client: anthropic.AsyncAnthropic) -> None:
    message, told = await whole(client), await streamed(client)
    assert told.content[0].text == message.content[0].text
    assert (told.stop_reason, told.model) == ("end_turn", "talker")
    for answer in (message, told):
        assert answer.usage.cache_read_input_tokens == 2
        assert answer.usage.cache_creation_input_tokens == 1
        assert answer.usage.output_tokens == 20


async def test_thoughts_come_in_a_signed_block_before_the_text(client: anthropic.AsyncAnthropic) -> None:
    message, told = await whole(client, "thinker"), await streamed(client, "thinker")
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].signature
    assert [block.model_dump() for block in told.content] == [block.model_dump() for block in message.content]


async def test_tools_are_called_with_their_arguments(client: anthropic.AsyncAnthropic) -> None:
    message, told = await whole(client, "caller", tools=TOOLS), await streamed(client, "caller", tools=TOOLS)
    assert [block.type for block in message.content] == ["text", "tool_use", "tool_use"]
    assert [block.input for block in told.content[1:]] == [block.input for block in message.content[1:]]
    assert message.content[1].input.keys() == {"city"}
    assert told.stop_reason == message.stop_reason == "tool_use"


async def test_a_refusal_says_why(client: anthropic.AsyncAnthropic) -> None:
    for message in (await whole(client, "prude"), await streamed(client, "prude")):
        assert message.stop_reason == "refusal"
        assert message.stop_details.explanation
        assert message.content == []


async def test_a_sequence_that_stops_the_answer_is_named(client: anthropic.AsyncAnthropic) -> None:
    word = (await whole(client)).content[0].text.split()[3]
    for message in (await whole(client, stop_sequences=[word]), await streamed(client, stop_sequences=[word])):
        assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", word)


async def test_limits_are_told_in_headers(client: anthropic.AsyncAnthropic) -> None:
    answer = await client.messages.with_raw_response.create(model="frugal", max_tokens=9, messages=QUESTION)
    assert answer.headers["anthropic-ratelimit-requests-limit"] == "1"
    assert answer.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
    with pytest.raises(anthropic.RateLimitError) as refused:
        await client.messages.create(model="frugal", max_tokens=9, messages=QUESTION)
    assert int(refused.value.response.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("status=400", anthropic.BadRequestError),
        ("status=403", anthropic.PermissionDeniedError),
        ("status=404", anthropic.NotFoundError),
        ("status=413", anthropic.APIStatusError),
        ("status=500", anthropic.InternalServerError),
        ("status=529", anthropic.InternalServerError),
    ],
)
async def test_errors_are_the_clients_own(client: anthropic.AsyncAnthropic, script: str, error: type) -> None:
    with pytest.raises(error):
        await whole(client, extra_headers={"x-sim-script": script})


async def test_an_error_in_the_middle_of_a_stream_is_seen(client: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
        await streamed(client, extra_headers={"x-sim-script": "error_after=3;error_status=529"})


async def test_a_stranger_is_sent_away(sim: Simulator) -> None:
    async with anthropic.AsyncAnthropic(base_url=sim.url, api_key="sk-ant-bad", max_retries=0) as stranger:
        with pytest.raises(anthropic.AuthenticationError):
            await whole(stranger)
