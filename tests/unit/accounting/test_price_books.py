"""Whose price counts: the operator's exact one, then their longest prefix, then the public book, then nobody's."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction

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

from shared.config.schema import LongContext, PriceOverride
from shared.contracts import TokenUsage, Unit
from shared.money import nanodollars
from shared.prices import OwnPrices, Quote, cost
from shared.prices.genai import GenaiPrices
from tests.suites.accounting import NOON, an_attempt, entered

PUBLIC = GenaiPrices({})


class EmptyBook:
    """Knows no price."""

    def quote(self, provider: str, model: str, at: datetime, tier: str | None = None) -> Quote:
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


def holding(
    dollars: str, since: date | None = None, until: date | None = None, tier: str | None = None
) -> PriceOverride:
    amount = Decimal(dollars)
    return PriceOverride(provider="openai", model="m", input=amount, output=amount, since=since, until=until, tier=tier)


def test_a_price_holds_from_its_first_day_to_before_its_last_in_utc() -> None:
    book = OwnPrices([holding("5", date(2026, 6, 1), date(2026, 7, 1))], EmptyBook())
    west = timezone(timedelta(hours=-7))

    def priced(at: datetime) -> bool:
        return book.quote("openai", "m", at).prices is not None

    assert not priced(datetime(2026, 5, 31, 23, 59, tzinfo=UTC))
    assert priced(datetime(2026, 6, 1, tzinfo=UTC))
    assert priced(datetime(2026, 6, 30, 16, 59, tzinfo=west))
    assert not priced(datetime(2026, 6, 30, 17, tzinfo=west)), "in UTC it is July"


@given(st.permutations([holding("1"), holding("2", date(2026, 3, 1)), holding("3", date(2026, 9, 1))]))
def test_of_several_prices_the_one_that_began_last_counts_whatever_their_order(prices: list[PriceOverride]) -> None:
    book = OwnPrices(prices, EmptyBook())
    moments = [datetime(2026, month, 15, tzinfo=UTC) for month in (1, 5, 11)]
    assert [input_price(book.quote("openai", "m", at)) for at in moments] == [10**9, 2 * 10**9, 3 * 10**9]


def test_a_price_for_a_class_of_service_goes_before_one_for_all() -> None:
    book = OwnPrices([holding("4", date(2026, 6, 1)), holding("2", tier="flex")], EmptyBook())
    assert input_price(book.quote("openai", "m", NOON, "flex")) == nanodollars(Decimal(2))
    assert input_price(book.quote("openai", "m", NOON, "default")) == nanodollars(Decimal(4))
    assert input_price(book.quote("openai", "m", NOON)) == nanodollars(Decimal(4))


def test_an_exact_model_that_holds_no_longer_leaves_the_call_to_the_prefix() -> None:
    book = OwnPrices([holding("4", until=date(2026, 1, 1)), override("m*", "3")], EmptyBook())
    assert input_price(book.quote("openai", "m", NOON)) == nanodollars(Decimal(3))


def test_a_markup_is_on_the_list_price_in_every_bucket_and_names_both_versions() -> None:
    section = PriceOverride(provider="openai", model="gpt-*", of_list=Decimal("1.2"))
    book = OwnPrices([section], PUBLIC)
    quote, listed = book.quote("openai", "gpt-4o-mini", NOON), PUBLIC.quote("openai", "gpt-4o-mini", NOON)
    usage = TokenUsage(uncached_input=10**6, cache_read=10**6, output=10**6)
    plain = cost(usage, listed.prices)
    assert plain is not None
    assert cost(usage, quote.prices) == Fraction(plain) * Fraction(12, 10)
    assert quote.version.startswith("override:")
    assert quote.version.endswith(f" of {listed.version}")
    assert book.quote("openai", "gpt-4o-mini", NOON) is quote, "worked out once"


def test_a_part_of_no_price_is_no_price() -> None:
    book = OwnPrices([PriceOverride(provider="openai", model="*", of_list=Decimal("0.5"))], PUBLIC)
    assert book.quote("openai", "unheard-of", NOON).prices is None


def test_a_discount_is_on_the_price_of_the_class_of_service() -> None:
    book = OwnPrices([PriceOverride(provider="openai", model="*", of_list=Decimal("0.5"))], PUBLIC)
    assert input_price(book.quote("openai", "gpt-5", NOON, "flex")) == nanodollars(Decimal("0.3125"))


def test_an_own_price_may_say_everything_a_provider_may_charge_for() -> None:
    section = PriceOverride(
        provider="lab",
        model="m",
        input=Decimal(1),
        output=Decimal(2),
        reasoning=Decimal(3),
        long_context=(LongContext(above=1000, input=Decimal(2), output=Decimal(4)),),
        per_request=Decimal("0.005"),
        extras={Unit.WEB_SEARCH: Decimal("0.01"), Unit.CACHE_WRITE_1H: Decimal(5)},
    )
    prices = OwnPrices([section], EmptyBook()).quote("lab", "m", NOON).prices
    short = TokenUsage(uncached_input=100, cache_write=50, output=30, reasoning=10)
    fees = 5_000_000 + 2 * 10_000_000
    assert cost(short, prices, {"web_search": 2, "cache_write_1h": 20}) == (
        100 * 1000 + 30 * 1000 + 20 * 5000 + 20 * 2000 + 10 * 3000 + fees
    )
    long = TokenUsage(uncached_input=1001, output=10)
    assert cost(long, prices) == 1001 * 2000 + 10 * 4000 + 5_000_000


@pytest.mark.parametrize(
    ("tier", "dollars"),
    [
        (None, "1.25"),
        ("default", "1.25"),
        ("auto", "1.25"),
        ("flex", "0.625"),
        ("priority", "2.5"),
        ("batch", "0.625"),
    ],
)
def test_the_public_book_knows_the_classes_of_service(tier: str | None, dollars: str) -> None:
    assert input_price(PUBLIC.quote("openai", "gpt-5", NOON, tier)) == nanodollars(Decimal(dollars))


def test_a_class_whose_price_the_book_does_not_know_for_a_model_is_not_charged_as_the_standard_one() -> None:
    assert PUBLIC.quote("openai", "gpt-4o", NOON).prices is not None
    assert PUBLIC.quote("openai", "gpt-4o", NOON, "flex").prices is None


def test_a_class_that_is_no_matter_of_price_at_a_provider_costs_what_any_other_does() -> None:
    standard = PUBLIC.quote("groq", "llama-3.3-70b-versatile", NOON)
    assert PUBLIC.quote("groq", "llama-3.3-70b-versatile", NOON, "flex") is standard


def test_the_public_book_prices_more_than_plain_tokens() -> None:
    prices = PUBLIC.quote("anthropic", "claude-opus-4-6", NOON).prices
    written = TokenUsage(cache_write=1_000_000)
    assert cost(written, prices) == nanodollars(Decimal("6.25"))
    assert cost(written, prices, {"cache_write_1h": 1_000_000}) == nanodollars(Decimal(10))
    assert cost(TokenUsage(), prices, {"web_search": 3}) == nanodollars(Decimal("0.03"))
    pictures = PUBLIC.quote("google", "gemini-2.5-flash-image", NOON).prices
    assert cost(TokenUsage(output=1290), pictures, {"output_image": 1290}) == nanodollars(Decimal("0.0387"))


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
    assert entered(event, PUBLIC).cost_nanodollars == 1500


def test_a_job_of_the_batch_lane_is_charged_the_list_price() -> None:
    event = an_attempt(upstream="gpt-5", usage=TokenUsage(output=1_000_000))
    assert entered(event, PUBLIC).cost_nanodollars == nanodollars(Decimal(10))
