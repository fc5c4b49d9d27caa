"""What OpenAI's dialect makes of answers, beyond the recordings."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from services.router_worker.events import Answered, Chunk, Failed, Finished, UsageReported
from services.router_worker.failures import Failure, FailureKind
from services.router_worker.providers.dialects.openai import OpenAI
from services.router_worker.providers.dialects.openai.usage import read_usage
from shared.contracts import TokenUsage
from tests.dialects.recorded import ENVELOPE, played

RECORDED = Path(__file__).parent / "recordings" / "openai"
WHOLE = replace(ENVELOPE, streamed=False)
CUT = Failure(FailureKind.CUT, "The line went dead.")


def chunks(events: list[Any]) -> list[dict[str, Any]]:
    return [orjson.loads(event.data) for event in events if isinstance(event, Chunk)]


def a_stream(name: str, **envelope: Any) -> list[Any]:
    decoder = OpenAI().decoder(replace(ENVELOPE, **envelope))
    return played(decoder, [(RECORDED / f"{name}.sse").read_bytes()])


def whole(body: object, **envelope: Any) -> list[Any]:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return played(OpenAI().decoder(replace(WHOLE, **envelope)), [raw[:7], raw[7:]])


def an_answer(message: Any = None, finish_reason: str | None = "stop", **fields: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": "Hi"} if message is None else message
    return {
        "id": "chatcmpl-theirs",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-2024",
        "choices": [{"index": 0, "message": said, "finish_reason": finish_reason, "logprobs": None}],
        **fields,
    }


def test_a_caller_who_asked_gets_the_usage_chunk_last_and_null_before() -> None:
    *before, last = chunks(a_stream("text", include_usage=True))
    assert [chunk["usage"] for chunk in before] == [None] * len(before)
    assert last["choices"] == []
    assert last["usage"]["prompt_tokens"] == 9
    assert (last["id"], last["created"], last["object"], last["model"]) == (
        "chatcmpl-ours",
        1_700_000_000,
        "chat.completion.chunk",
        "gpt-4o-2024-08-06",
    )


def test_usage_on_the_last_content_chunk_becomes_a_chunk_of_its_own() -> None:
    *before, last = chunks(a_stream("sparse", include_usage=True))
    assert all(chunk["usage"] is None for chunk in before)
    assert last["choices"] == []
    assert last["usage"] == {"prompt_tokens": 1, "completion_tokens": 2}


def test_a_caller_who_did_not_ask_sees_no_usage() -> None:
    assert not any("usage" in chunk for chunk in chunks(a_stream("usage-in-every-chunk")))


@pytest.mark.parametrize("name", ["text", "two-choices", "sparse", "answer-in-one-piece"])
def test_every_choice_begins_with_a_role_and_has_a_finish_reason_key(name: str) -> None:
    started = set()
    for chunk in chunks(a_stream(name)):
        for choice in chunk["choices"]:
            assert ("role" in choice["delta"]) == (choice["index"] not in started)
            assert "finish_reason" in choice
            started.add(choice["index"])


def test_an_answer_that_had_ended_is_finished_whatever_the_line_did_afterwards() -> None:
    decoder = OpenAI().decoder(ENVELOPE)
    decoder.feed((RECORDED / "no-end-mark.sse").read_bytes())
    assert isinstance(decoder.close(CUT)[-1], Finished)


def test_a_line_that_breaks_in_the_middle_is_the_failure_it_was() -> None:
    decoder = OpenAI().decoder(ENVELOPE)
    decoder.feed((RECORDED / "cut.sse").read_bytes())
    assert decoder.close(CUT) == [Failed(CUT)]


def test_what_was_used_is_told_though_the_answer_was_cut() -> None:
    decoder = OpenAI().decoder(ENVELOPE)
    decoder.feed(b"\n\n".join((RECORDED / "usage-in-every-chunk.sse").read_bytes().split(b"\n\n")[:2]) + b"\n\n")
    usage, ending = decoder.close(CUT)
    assert isinstance(usage, UsageReported)
    assert usage.usage == TokenUsage(uncached_input=5, output=1)
    assert ending == Failed(CUT)


def test_a_continued_answer_may_have_nothing_left_to_say() -> None:
    assert isinstance(a_stream("nothing-said")[-1], Failed)
    assert isinstance(a_stream("nothing-said", resumed=True)[-1], Finished)


def test_an_event_of_monstrous_size_is_refused() -> None:
    decoder = OpenAI().decoder(ENVELOPE)
    megabyte = b"x" * 1_000_000
    decoder.feed(b"data: ")
    events = [event for _ in range(9) for event in decoder.feed(megabyte)]
    assert [event.failure.kind for event in events] == [FailureKind.MALFORMED]


def test_an_answer_in_one_piece_comes_in_our_name() -> None:
    answered, usage, ending = whole(an_answer(usage={"prompt_tokens": 3, "completion_tokens": 2}, provider="X"))
    assert isinstance(answered, Answered)
    assert answered.response["id"] == "chatcmpl-ours"
    assert answered.response["created"] == 1_700_000_000
    assert answered.response["provider"] == "X"
    assert usage.usage == TokenUsage(uncached_input=3, output=2)
    assert ending == Finished("stop", "gpt-4o-2024")


def test_an_answer_that_names_no_model_names_ours() -> None:
    answered, ending = whole(an_answer(model=""))
    assert answered.response["model"] == "our-model"
    assert ending.model_served is None


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", FailureKind.EMPTY),
        (b" \n", FailureKind.EMPTY),
        (b"<html>", FailureKind.MALFORMED),
        (b'{"choices": [', FailureKind.MALFORMED),
        ([1], FailureKind.MALFORMED),
        ({"choices": "x"}, FailureKind.MALFORMED),
        ({"choices": [{"index": 0}]}, FailureKind.MALFORMED),
        ({"choices": [1]}, FailureKind.MALFORMED),
        (an_answer({"role": "assistant", "content": [{"text": "x"}]}), FailureKind.MALFORMED),
        (an_answer({"role": "assistant", "tool_calls": [7]}), FailureKind.MALFORMED),
        ({"choices": []}, FailureKind.EMPTY),
        ({"choices": None}, FailureKind.EMPTY),
        ({"object": "chat.completion"}, FailureKind.EMPTY),
        (an_answer({"role": "assistant", "content": ""}, None), FailureKind.EMPTY),
        (an_answer({"role": "assistant", "content": None}, usage={"completion_tokens": 0}), FailureKind.EMPTY),
        ({"error": {"message": "odd", "code": "odd"}}, FailureKind.IN_STREAM_ERROR),
        ({"error": {"message": "slow down", "code": 429}}, FailureKind.RATE_LIMITED),
        ({"error": "went away"}, FailureKind.IN_STREAM_ERROR),
    ],
)
def test_a_body_that_is_no_answer_is_a_failure(body: object, kind: FailureKind) -> None:
    ending = whole(body)[-1]
    assert isinstance(ending, Failed)
    assert ending.failure.kind is kind


def test_a_model_may_stop_at_once() -> None:
    answer = an_answer({"role": "assistant", "content": ""}, usage={"prompt_tokens": 3, "completion_tokens": 1})
    assert isinstance(whole(answer)[-1], Finished)


def test_an_answer_in_one_piece_that_is_cut_is_a_failure() -> None:
    decoder = OpenAI().decoder(WHOLE)
    decoder.feed(b'{"choices": [')
    assert decoder.close(CUT) == (Failed(CUT),)
    assert decoder.close() == ()


def test_an_answer_of_monstrous_size_is_refused() -> None:
    decoder = OpenAI().decoder(WHOLE)
    megabyte = b" " * 1_000_000
    events = [event for _ in range(66) for event in decoder.feed(megabyte)]
    assert [event.failure.kind for event in events] == [FailureKind.MALFORMED]
    assert decoder.close() == ()


@pytest.mark.parametrize(
    ("usage", "buckets"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 4}, TokenUsage(uncached_input=10, output=4)),
        (
            {"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 7}},
            TokenUsage(uncached_input=3, cache_read=7, output=4),
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 4, "completion_tokens_details": {"reasoning_tokens": 3}},
            TokenUsage(uncached_input=10, output=4, reasoning=3),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 4,
                "total_tokens": 17,
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            TokenUsage(uncached_input=10, output=7, reasoning=3),
        ),
        (
            {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 12}},
            TokenUsage(cache_read=10),
        ),
        (
            {"prompt_tokens": None, "completion_tokens": -1, "completion_tokens_details": None},
            TokenUsage(),
        ),
    ],
)
def test_usage_falls_into_disjoint_buckets(usage: dict[str, Any], buckets: TokenUsage) -> None:
    reported = read_usage(usage, orjson.dumps({"usage": usage}))
    assert reported is not None
    assert reported.usage == buckets


def test_what_the_caller_is_told_is_what_the_provider_said() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 4, "queue_time": 0.1}
    reported = read_usage(usage, orjson.dumps({"usage": usage}))
    assert reported is not None
    assert reported.reported == usage


def test_the_caller_is_told_in_openais_way_of_counting() -> None:
    counted_apart = {
        "prompt_tokens": 10,
        "completion_tokens": 4,
        "total_tokens": 17,
        "completion_tokens_details": {"reasoning_tokens": 3},
        "prompt_cache_hit_tokens": 8,
    }
    reported = read_usage(counted_apart, orjson.dumps({"usage": counted_apart}), "prompt_cache_hit_tokens")
    assert reported is not None
    assert reported.reported == {
        **counted_apart,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 8},
    }


def test_usage_without_counts_is_no_usage() -> None:
    assert read_usage({"cost": 1}, b'{"usage": {"cost": 1}}') is None


@pytest.mark.parametrize(
    ("cost", "nanodollars"),
    [
        ("0.1", 100_000_000),
        ("0.000000123456789012345", 123),
        ("1e-9", 1),
        ("2", 2_000_000_000),
        ("0", None),
        ("-1", None),
        ('"free"', None),
        ("true", None),
    ],
)
def test_the_providers_price_is_read_exactly(cost: str, nanodollars: int | None) -> None:
    raw = b'{"usage": {"prompt_tokens": 1, "cost": %s}}' % cost.encode()
    reported = read_usage(orjson.loads(raw)["usage"], raw)
    assert reported is not None
    assert reported.provider_cost_nanodollars == nanodollars


def test_xais_price_is_read_in_its_ticks() -> None:
    usage = {"prompt_tokens": 1, "cost_in_usd_ticks": 37_756_000}
    reported = read_usage(usage, b"")
    assert reported is not None
    assert reported.provider_cost_nanodollars == 3_775_600


def test_sound_is_counted_beside_the_tokens_it_is_a_part_of() -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "prompt_tokens_details": {"audio_tokens": 80, "cached_tokens": 0},
        "completion_tokens_details": {"audio_tokens": 40},
    }
    reported = read_usage(usage, b"")
    assert reported is not None
    assert reported.usage.total == 150
    assert reported.units == {"input_audio": 80, "output_audio": 40}
