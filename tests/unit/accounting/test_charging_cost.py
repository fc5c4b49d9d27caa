"""Tokens become money in one place, exactly, and an unknown price is never taken for zero."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import TokenUsage, Unit
from shared.money import Nanodollars, charge_line, nanodollars
from shared.prices import Prices, Rate, cost, saved_by_cache

counts = st.integers(min_value=0, max_value=2**31 - 1)
dollars_per_million = st.decimals(min_value=0, max_value=1000, places=6)
rates = st.builds(Rate.of, dollars_per_million)
prices = st.builds(Prices, uncached_input=rates, cache_write=rates, cache_read=rates, output=rates)


@st.composite
def usages(draw: st.DrawFn) -> TokenUsage:
    output = draw(counts)
    return TokenUsage(
        uncached_input=draw(counts),
        cache_write=draw(counts),
        cache_read=draw(counts),
        output=output,
        reasoning=draw(st.integers(min_value=0, max_value=output)),
    )


@given(counts, dollars_per_million)
def test_a_line_is_the_exact_product_rounded_once_to_the_nearest_nanodollar(tokens: int, price: Decimal) -> None:
    exact = Fraction(price) * 1000 * tokens
    assert charge_line(tokens, nanodollars(price)) == round(exact)


@given(st.integers(min_value=0, max_value=10**6))
def test_half_a_nanodollar_goes_to_the_even_neighbour(tokens: int) -> None:
    half_a_nanodollar_each = Nanodollars(500_000)
    assert charge_line(tokens, half_a_nanodollar_each) == round(Fraction(tokens, 2))


@given(usages(), prices)
def test_the_cost_is_the_sum_of_the_four_buckets_charged_alone(usage: TokenUsage, at: Prices) -> None:
    alone = [
        TokenUsage(uncached_input=usage.uncached_input),
        TokenUsage(cache_write=usage.cache_write),
        TokenUsage(cache_read=usage.cache_read),
        TokenUsage(output=usage.output),
    ]
    assert cost(usage, at) == sum(cost(bucket, at) or 0 for bucket in alone)


@given(usages(), st.tuples(*[st.integers(min_value=0, max_value=10**6)] * 4))
def test_whole_nanodollars_for_a_token_are_charged_as_line_by_line(
    usage: TokenUsage, per_token: tuple[int, int, int, int]
) -> None:
    at = Prices(*(Rate(Nanodollars(price * 1_000_000)) for price in per_token))
    assert at.per_token == per_token
    nothing_more = {Unit.WEB_SEARCH: 0}  # with which it is charged line by line
    assert cost(usage, at) == cost(usage, at, nothing_more)
    assert saved_by_cache(usage, at) == saved_by_cache(usage, at, nothing_more)


@given(usages(), prices, rates)
def test_reasoning_is_charged_once_whether_or_not_it_has_a_rate_of_its_own(
    usage: TokenUsage, at: Prices, rate: Rate
) -> None:
    own = Prices(at.uncached_input, at.cache_write, at.cache_read, at.output, reasoning=rate)
    without = usage.model_copy(update={"output": usage.output - usage.reasoning, "reasoning": 0})
    visible = cost(without, at)
    assert visible is not None
    assert cost(usage, own) == visible + charge_line(usage.reasoning, rate.per_million)


@given(usages())
def test_tokens_without_a_known_price_have_no_cost(usage: TokenUsage) -> None:
    assert cost(usage, None) == (None if usage.total else 0)


@given(usages(), prices)
def test_one_bucket_without_a_rate_leaves_the_whole_call_unpriced_if_it_was_used(usage: TokenUsage, at: Prices) -> None:
    missing = Prices(at.uncached_input, cache_write=None, cache_read=at.cache_read, output=at.output)
    expected = None if usage.cache_write else cost(usage, at)
    assert cost(usage, missing) == expected


def test_a_call_that_served_nothing_costs_nothing_whatever_its_price() -> None:
    assert cost(TokenUsage(), None) == 0


def test_a_rate_of_zero_is_a_price() -> None:
    free = Rate.of(Decimal(0))
    assert cost(TokenUsage(uncached_input=9, output=9), Prices(free, free, free, free)) == 0


def test_a_large_request_pays_its_tier_for_every_token() -> None:
    tiered = Rate.of(Decimal(2), [(200_000, Decimal(4)), (500_000, Decimal(6))])
    at = Prices(tiered, tiered, tiered, tiered)
    assert cost(TokenUsage(uncached_input=200_000), at) == 200_000 * 2_000
    assert cost(TokenUsage(uncached_input=200_001), at) == 200_001 * 4_000
    assert cost(TokenUsage(uncached_input=500_001), at) == 500_001 * 6_000
    assert cost(TokenUsage(uncached_input=1, output=300_000), at) == 300_001 * 2_000


def test_a_price_below_a_nanodollar_a_token_adds_up() -> None:
    cheap = Rate.of(Decimal("0.0005"))
    assert cost(TokenUsage(uncached_input=1_000_000), Prices(cheap, cheap, cheap, cheap)) == 500_000


@given(st.integers(min_value=1, max_value=999), st.integers(min_value=1000, max_value=10**12))
def test_a_few_tokens_are_never_free(count: int, per_million: int) -> None:
    """One token at a tenth of a cent per million costs something: no division takes the small calls away."""
    rate = Rate(Nanodollars(per_million))
    charged = cost(TokenUsage(uncached_input=count), Prices(rate, rate, rate, rate))
    assert charged is not None
    assert abs(1_000_000 * charged - count * per_million) * 2 <= 1_000_000
    assert charged or 2 * count * per_million <= 1_000_000


parts = st.dictionaries(
    st.sampled_from(["cache_write_1h", "input_audio", "input_image", "output_audio", "output_image"]), counts
)


@given(usages(), parts, st.integers(min_value=0, max_value=10**9), st.none() | rates)
def test_every_token_is_charged_once_however_it_falls_into_parts(
    usage: TokenUsage, found: dict[str, int], per_million: int, reasoning: Rate | None
) -> None:
    """Where every part costs what its bucket does, parts change nothing but the rounding of their lines."""
    rate = Rate(Nanodollars(per_million))
    own = reasoning and rate
    plain = Prices(rate, rate, rate, rate, reasoning=own)
    in_parts = Prices(rate, rate, rate, rate, reasoning=own, units=dict.fromkeys(found, rate))
    whole = cost(usage, plain)
    divided = cost(usage, in_parts, found)
    assert whole is not None
    assert divided is not None
    assert abs(whole - divided) <= len(found) + 4


@given(usages(), prices, parts)
def test_parts_without_a_price_of_their_own_are_tokens_like_any_other(
    usage: TokenUsage, at: Prices, found: dict[str, int]
) -> None:
    assert cost(usage, at, found) == cost(usage, at)


@pytest.mark.parametrize("unit", ["web_search", "a unit of tomorrow"])
def test_what_comes_on_top_and_has_no_price_leaves_the_call_unpriced(unit: str) -> None:
    free = Rate.of(Decimal(0))
    at = Prices(free, free, free, free)
    assert cost(TokenUsage(output=5), at, {unit: 1}) is None
    assert cost(TokenUsage(output=5), at, {unit: 0}) == 0
    assert cost(TokenUsage(), None, {unit: 1}) is None


def test_the_fee_for_a_request_is_for_one_that_was_served() -> None:
    free, fee = Rate.of(Decimal(0)), Rate.of(Decimal(5000))
    at = Prices(free, free, free, free, request=fee)
    assert cost(TokenUsage(output=1), at) == 5_000_000
    assert cost(TokenUsage(), at) == 0


@given(usages(), prices)
def test_what_a_cache_saves_is_what_the_call_would_have_cost_more_without_it(usage: TokenUsage, at: Prices) -> None:
    without = TokenUsage(uncached_input=usage.input, output=usage.output, reasoning=usage.reasoning)
    more = (cost(without, at) or 0) - (cost(usage, at) or 0)
    assert abs((saved_by_cache(usage, at) or 0) - more) <= 1  # of three lines that are rounded apart


def test_writing_into_a_cache_that_nobody_reads_from_saves_less_than_nothing() -> None:
    at = Prices(Rate.of(Decimal(3)), Rate.of(Decimal("3.75")), Rate.of(Decimal("0.3")), Rate.of(Decimal(15)))
    usage = TokenUsage(cache_write=1_000_000)
    assert saved_by_cache(usage, at) == -nanodollars(Decimal("0.75"))


def test_nobody_knows_what_was_saved_where_nobody_knows_what_was_paid() -> None:
    usage = TokenUsage(cache_read=5)
    assert saved_by_cache(usage, None) is None
