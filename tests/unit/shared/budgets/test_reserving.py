"""What is held for a job is never less than what one whole answer to it costs, whoever gives it."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from shared.budgets import Deployments, Need, worst_case
from shared.clock import utc_now
from shared.config.schema import Config, LongContext, PriceOverride
from shared.contracts import TokenUsage
from shared.prices import OwnPrices, cost
from tests.suites.budgets import CONFIG, DOLLAR, FlatPrices

dollars = st.decimals(min_value=0, max_value=200, places=6)
tokens = st.integers(min_value=0, max_value=300_000)


@given(
    price=st.builds(
        lambda **prices: PriceOverride(provider="one", model="m", **prices),
        input=dollars,
        output=dollars,
        cache_read=st.none() | dollars,
        cache_write=st.none() | dollars,
        reasoning=st.none() | dollars,
        per_request=st.none() | dollars,
        long_context=st.lists(
            st.builds(LongContext, above=st.integers(1, 200_000), input=dollars, output=dollars), max_size=2
        ).map(tuple),
    ),
    counted=tokens,
    output=tokens,
    parts=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
)
def test_no_split_of_the_tokens_costs_more(
    price: PriceOverride, counted: int, output: int, parts: tuple[float, float, float, float]
) -> None:
    book = OwnPrices([price], FlatPrices())
    at = utc_now()
    held = worst_case(Need(counted, output_tokens=output), [("one", "m")], book, at)
    written = int(counted * parts[0])
    read = int((counted - written) * parts[1])
    answered = int(output * parts[2])
    usage = TokenUsage(
        uncached_input=counted - written - read,
        cache_write=written,
        cache_read=read,
        output=answered,
        reasoning=int(answered * parts[3]),
    )
    really = cost(usage, book.quote("one", "m", at).prices)
    assert held is not None
    assert really is not None
    # In between two tiers of long context a rate may be higher than at either end: prices that fall there are nobody's.
    if len(price.long_context) < 2:
        assert really <= held


def test_the_dearest_who_may_answer_counts() -> None:
    prices = [
        PriceOverride(provider="one", model="gpt-4o", input=Decimal(1), output=Decimal(1)),
        PriceOverride(provider="two", model="big", input=Decimal(1), output=Decimal(10)),
    ]
    config = Config.model_validate(
        {
            "providers": {"one": {"base_url": "http://a/v1"}, "two": {"base_url": "http://b/v1"}},
            "models": {
                "gpt-4o": {"deployments": [{"provider": "one"}], "fallbacks_for": {"context_too_long": ["huge"]}},
                "huge": {"deployments": [{"provider": "two", "model": "big"}]},
            },
        }
    )
    places = Deployments(config).of("gpt-4o")
    need = Need(0, output_tokens=1_000_000)
    held = worst_case(need, places, OwnPrices(prices, FlatPrices()), utc_now())
    assert held is not None
    assert 10 * DOLLAR <= held <= 10 * DOLLAR + 10


def test_where_one_of_them_has_no_price_nobody_knows() -> None:
    places = Deployments(CONFIG).of("gpt-4o-mini")
    assert worst_case(Need(1, output_tokens=1), places, FlatPrices(), utc_now()) is None


def test_a_model_whose_slow_calls_get_another_beside_them_is_held_twice() -> None:
    models = {
        "plain": {"deployments": [{"provider": "one"}], "fallbacks": ["quick"]},
        "quick": {"deployments": [{"provider": "one"}, {"provider": "one", "model": "b"}], "hedge": {}},
        "alone": {"deployments": [{"provider": "one"}]},
    }
    config = Config.model_validate({"providers": {"one": {"base_url": "http://a/v1"}}, "models": models})
    deployments = Deployments(config)
    assert [deployments.calls(model) for model in models] == [2, 2, 1]
    once, twice = (
        worst_case(Need(10, output_tokens=10, calls=calls), [("one", "m")], FlatPrices(), utc_now()) for calls in (1, 2)
    )
    assert once is not None
    assert twice == 2 * once
