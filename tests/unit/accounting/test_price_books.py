"""Whose price counts: the operator's exact one, then their longest prefix, then the public book, then nobody's."""

from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import DataSnapshot
from genai_prices.types import (
    ClauseEquals,
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    TimeOfDateConstraint,
)
from hypothesis import given
from hypothesis import strategies as st

from services.accounting.charging import OwnPrices, Quote, cost, enter
from services.accounting.prices.genai import GenaiPrices
from shared.config.schema import PriceOverride
from shared.contracts import TokenUsage
from shared.money import nanodollars
from tests.suites.accounting import NOON, an_attempt

PUBLIC = GenaiPrices({})


class EmptyBook:
    """Knows no price."""

    def quote(self, provider: str, model: str, at: datetime) -> Quote:
        return Quote("empty", None)


def override(model: str, dollars: str = "1", provider: str = "openai") -> PriceOverride:
    return PriceOverride(provider=provider, model=model, input=Decimal(dollars), output=Decimal(dollars))


def input_price(quote: Quote) -> int | None:
    return cost(TokenUsage(uncached_input=1_000_000), quote.prices)


def test_the_operators_exact_price_goes_before_the_prefix_and_the_public_book() -> None:
    book = OwnPrices([override("gpt-*", "2"), override("gpt-4o-mini", "3")], PUBLIC)
    assert input_price(book.quote("openai", "gpt-4o-mini", NOON)) == nanodollars(Decimal(3))


def test_of_several_prefixes_the_longest_counts() -> None:
    book = OwnPrices([override("*", "1"), override("gpt-4o*", "3"), override("gpt-*", "2")], PUBLIC)
    assert input_price(book.quote("openai", "gpt-4o-mini", NOON)) == nanodollars(Decimal(3))
    assert input_price(book.quote("openai", "gpt-5", NOON)) == nanodollars(Decimal(2))
    assert input_price(book.quote("openai", "llama", NOON)) == nanodollars(Decimal(1))


def test_another_providers_override_does_not_count() -> None:
    book = OwnPrices([override("*", provider="self-hosted")], EmptyBook())
    assert book.quote("openai", "gpt-4o-mini", NOON).prices is None


def test_the_cache_costs_as_much_as_input_where_the_override_does_not_say() -> None:
    quote = OwnPrices([override("m")], EmptyBook()).quote("openai", "m", NOON)
    assert cost(TokenUsage(cache_read=10), quote.prices) == cost(TokenUsage(uncached_input=10), quote.prices)
    assert cost(TokenUsage(cache_write=10), quote.prices) == cost(TokenUsage(uncached_input=10), quote.prices)


def test_a_cache_price_of_zero_is_not_taken_for_a_missing_one() -> None:
    free = PriceOverride(provider="openai", model="m", input=Decimal(1), output=Decimal(1), cache_read=Decimal(0))
    quote = OwnPrices([free], EmptyBook()).quote("openai", "m", NOON)
    assert cost(TokenUsage(cache_read=10), quote.prices) == 0


def test_an_edited_override_is_another_version() -> None:
    before, after = (OwnPrices([override("m", price)], PUBLIC).quote("openai", "m", NOON) for price in ("1", "2"))
    assert before.version.startswith("override:")
    assert before.version != after.version


def test_the_public_book_names_its_version_and_knows_known_models() -> None:
    quote = PUBLIC.quote("openai", "gpt-4o-mini", NOON)
    assert quote.version.startswith("genai-prices ")
    assert input_price(quote) == nanodollars(Decimal("0.15"))


@pytest.mark.parametrize(("provider", "model"), [("openai", "unheard-of"), ("nobody", "gpt-4o-mini")])
def test_what_the_public_book_does_not_know_has_no_price_but_a_version(provider: str, model: str) -> None:
    quote = PUBLIC.quote(provider, model, NOON)
    assert quote.prices is None
    assert quote.version.startswith("genai-prices ")


def test_a_provider_can_be_called_otherwise_in_the_book() -> None:
    book = GenaiPrices({"our-account": "openai"})
    assert book.quote("our-account", "gpt-4o-mini", NOON) == PUBLIC.quote("openai", "gpt-4o-mini", NOON)


@given(
    st.sampled_from(
        [
            ("openai", "gpt-4o-mini"),
            ("openai", "gpt-4o"),
            ("openai", "gpt-5"),
            ("openai", "text-embedding-3-small"),
            ("anthropic", "claude-sonnet-4-5"),
            ("google", "gemini-2.5-pro"),
            ("deepseek", "deepseek-chat"),
            ("mistral", "mistral-large-latest"),
        ]
    ),
    st.integers(0, 300_000),
    st.integers(0, 100_000),
    st.integers(0, 100_000),
    st.integers(0, 50_000),
    st.datetimes(datetime(2025, 6, 1), datetime(2026, 11, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds are naive
)
def test_our_cost_is_the_packages_own_to_the_nanodollar_of_each_line(
    model: tuple[str, str], uncached: int, write: int, read: int, output: int, at: datetime
) -> None:
    usage = TokenUsage(uncached_input=uncached, cache_write=write, cache_read=read, output=output)
    theirs = calc_price(
        Usage(input_tokens=usage.input, cache_write_tokens=write, cache_read_tokens=read, output_tokens=output),
        model[1],
        provider_id=model[0],
        genai_request_timestamp=at,
    ).total_price
    prices = PUBLIC.quote(*model, at).prices
    assert prices is not None
    ours = cost(usage, prices)
    if ours is None:  # the package charges nothing for what it has no rate for; the ledger says so instead
        assert prices.output is None
        assert output
    else:
        assert abs(ours - nanodollars(theirs)) <= 4


def test_the_price_is_the_one_of_the_moment_the_call_was_made() -> None:
    dear, cheap, night = (ModelPrice(input_mtok=Decimal(price), output_mtok=Decimal(1)) for price in (9, 5, 2))
    model = ModelInfo(
        id="m",
        match=ClauseEquals("m"),
        prices=[
            ConditionalPrice(prices=dear),
            ConditionalPrice(StartDateConstraint(date(2026, 6, 1)), prices=cheap),
            ConditionalPrice(TimeOfDateConstraint(time(22, tzinfo=UTC), time(6, tzinfo=UTC)), prices=night),
        ],
    )
    provider = Provider(id="p", name="P", api_pattern="", models=[model])
    book = GenaiPrices({}, DataSnapshot(providers=[provider], from_auto_update=False))

    def price(at: datetime) -> int | None:
        return input_price(book.quote("p", "m", at))

    assert price(datetime(2026, 5, 31, 12, tzinfo=UTC)) == nanodollars(Decimal(9))
    assert price(datetime(2026, 6, 1, 12, tzinfo=UTC)) == nanodollars(Decimal(5))
    assert price(datetime(2026, 6, 1, 23, tzinfo=UTC)) == nanodollars(Decimal(2))


def test_an_entry_is_priced_by_the_id_the_provider_was_asked_for() -> None:
    event = an_attempt(model="our-name", served="whatever", upstream="gpt-4o-mini", usage=TokenUsage(uncached_input=10))
    assert enter(event, PUBLIC).cost_nanodollars == 1500


def test_a_job_of_the_batch_lane_is_charged_the_list_price() -> None:
    event = an_attempt(upstream="gpt-5", usage=TokenUsage(output=1_000_000))
    assert enter(event, PUBLIC).cost_nanodollars == nanodollars(Decimal(10))
