"""Money: integers, rounded once."""

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from shared.money import Nanodollars, charge_line, dollars, nanodollars

amounts = st.integers(min_value=-(10**18), max_value=10**18).map(Nanodollars)
tokens = st.integers(min_value=0, max_value=10**9)
prices = st.integers(min_value=0, max_value=10**13).map(Nanodollars)


@given(amounts)
def test_an_amount_shown_and_read_again_is_the_same(amount: Nanodollars) -> None:
    assert nanodollars(dollars(amount)) == amount


@given(st.decimals(min_value=-(10**6), max_value=10**6, places=15))
def test_rounding_is_off_by_half_a_nanodollar_at_most(amount: Decimal) -> None:
    assert abs(dollars(nanodollars(amount)) - amount) <= Decimal("5e-10")


def test_ties_go_to_the_even_neighbour() -> None:
    assert [nanodollars(Decimal(text)) for text in ("5e-10", "1.5e-9", "2.5e-9", "-5e-10")] == [0, 2, 2, 0]


@given(tokens, prices)
def test_a_charge_is_the_exact_product_rounded_once(count: int, price: Nanodollars) -> None:
    exact = Decimal(count * price) / 1_000_000

    assert charge_line(count, price) == int(exact.to_integral_value(ROUND_HALF_EVEN))


@given(tokens, tokens, prices)
def test_two_charges_differ_from_one_for_both_by_their_rounding_only(a: int, b: int, price: Nanodollars) -> None:
    both = charge_line(a, price) + charge_line(b, price)

    assert abs(Fraction(both) - Fraction((a + b) * price, 1_000_000)) <= 1
