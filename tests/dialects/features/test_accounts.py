"""What each family says of tokens, limits and errors means the same here, whoever says it."""

from datetime import timedelta

import pytest

from services.router_worker.failures import FailureKind
from shared.contracts import TokenUsage
from simulator import Config, Quota
from tests.dialects.families import Family, Feature, shows
from tests.dialects.features.test_answers import either_way
from tests.suites.family_calls import talking


@shows(Feature.USAGE)
@either_way
async def test_what_was_used_falls_into_disjoint_buckets(family: Family, streamed: bool) -> None:
    script = "tokens=9;cached_tokens=4;reasoning_tokens=5"
    async with talking(family) as talk:
        heard = await talk.ask(script, streamed=streamed, messages=[{"role": "user", "content": "Tell me more. " * 9}])
        served = await talk.served()
    assert heard.usage.cache_read == 4
    assert heard.usage.output == served.output_tokens_reported == 14
    assert heard.usage.input == served.prompt_tokens
    assert heard.usage.uncached_input == served.prompt_tokens - 4
    assert heard.usage.reasoning in (0, 5)


@shows(Feature.USAGE)
async def test_a_stream_that_is_cut_told_at_most_what_was_served(family: Family) -> None:
    async with talking(family) as talk:
        heard = await talk.ask("tokens=30;cut_after=10")
        served = await talk.served()
    assert heard.failure.kind is FailureKind.CUT
    used = [event.usage for event in heard.events if hasattr(event, "usage")]
    assert all(usage.output <= served.output_tokens_written for usage in used)
    assert all(isinstance(usage, TokenUsage) for usage in used)


@shows(Feature.LIMITS)
async def test_limits_are_read_from_every_answer(family: Family) -> None:
    async with talking(family, Config(seed=1, quota=Quota(rpm=2, tpm=6_000))) as talk:
        first, _, refused = [await talk.ask("tokens=3", max_tokens=50) for _ in range(3)]
    by_kind = {limit.kind: limit for limit in first.limits.limits}
    assert by_kind["requests"].limit == 2
    assert by_kind["requests"].remaining == 1
    assert refused.limits.limits
    assert refused.failure.kind is FailureKind.RATE_LIMITED


@shows(Feature.ERRORS)
@either_way
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, FailureKind.BAD_REQUEST),
        (401, FailureKind.AUTH),
        (403, FailureKind.PERMISSION),
        (404, FailureKind.MODEL_NOT_FOUND),
        (413, FailureKind.TOO_LARGE),
        (429, FailureKind.RATE_LIMITED),
        (500, FailureKind.SERVER_ERROR),
        (503, FailureKind.OVERLOADED),
    ],
)
async def test_a_refusal_is_of_the_kind_it_is(family: Family, streamed: bool, status: int, kind: FailureKind) -> None:
    async with talking(family) as talk:
        heard = await talk.ask(f"status={status}", streamed=streamed)
    assert heard.failure.kind is kind
    assert heard.failure.status == status
    assert heard.failure.message


@shows(Feature.ERRORS)
async def test_the_wait_that_a_refusal_asks_for_is_known(family: Family) -> None:
    async with talking(family) as talk:
        heard = await talk.ask("status=429;retry_after=7")
    assert heard.failure.retry_after == timedelta(seconds=7)


@shows(Feature.ERRORS)
async def test_an_error_in_the_middle_of_a_stream_is_no_answer(family: Family) -> None:
    async with talking(family) as talk:
        heard = await talk.ask("tokens=9;error_after=3;error_status=500")
    assert heard.failure.kind in (FailureKind.SERVER_ERROR, FailureKind.IN_STREAM_ERROR)
    assert len(heard.chunks) >= 3


@shows(Feature.ERRORS)
@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("tokens=9;malformed_after=3", FailureKind.MALFORMED),
        ("tokens=9;cut_after=3", FailureKind.CUT),
        ("tokens=9;hang_up=close", FailureKind.CUT),
    ],
)
async def test_a_stream_that_breaks_is_no_answer(family: Family, script: str, kind: FailureKind) -> None:
    async with talking(family) as talk:
        assert (await talk.ask(script)).failure.kind is kind


@shows(Feature.ERRORS)
async def test_a_key_that_is_not_accepted_is_our_business_alone(family: Family) -> None:
    async with talking(family, Config(api_keys=("sk-another",))) as talk:
        heard = await talk.ask()
    assert heard.failure.kind is FailureKind.AUTH
    assert "sk-" not in heard.failure.message
