"""Tables and money: columns stand in line whatever is in them."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from cli.printing import aligned, dollar_column


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert aligned([("A", "B"), ("long", "1"), ("", "22")], right={1}) == ["A      B", "long   1", "      22"]


def test_characters_that_take_two_places_count_twice() -> None:
    assert aligned([("世界", "x"), ("ab", "y")]) == ["世界  x", "ab    y"]


@given(st.lists(st.decimals(min_value=0, max_value=10**6, places=9), min_size=1))
def test_amounts_stand_in_line_and_lose_nothing(amounts: list[Decimal]) -> None:
    shown = dollar_column(amounts)

    assert [Decimal(text.replace(",", "").removeprefix("$")) for text in shown] == amounts
    assert len({len(text.partition(".")[2]) for text in shown}) == 1
    assert all(len(text.partition(".")[2]) >= 2 for text in shown)


def test_what_is_owed_has_its_sign_in_front() -> None:
    assert dollar_column([Decimal("-1234.5"), Decimal(0)]) == ["-$1,234.50", "$0.00"]
