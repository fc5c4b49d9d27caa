"""Usage of several attempts, added up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.contracts import TokenUsage

counts = st.integers(min_value=0, max_value=10**12)
usages = st.builds(
    TokenUsage, uncached_input=counts, cache_write=counts, cache_read=counts, output=counts, reasoning=counts
)


@given(usages, usages)
def test_the_total_of_a_sum_is_the_sum_of_the_totals(one: TokenUsage, other: TokenUsage) -> None:
    total = one + other

    assert (total.input, total.total) == (one.input + other.input, one.total + other.total)
    assert total.reasoning == one.reasoning + other.reasoning


@given(usages, usages, usages)
def test_the_order_of_adding_does_not_matter(one: TokenUsage, two: TokenUsage, three: TokenUsage) -> None:
    assert (one + two) + three == one + (two + three)
    assert one + two == two + one


@given(usages)
def test_nothing_added_changes_nothing(usage: TokenUsage) -> None:
    assert usage + TokenUsage() == usage


def test_a_negative_count_is_refused() -> None:
    with pytest.raises(ValidationError):
        TokenUsage(output=-1)
