"""`sluice usage`: what its table says and does not say."""

from decimal import Decimal

import pytest

from cli.exit_codes import ExitCode
from cli.spending.forms import field_names, fields, headings, table_rows
from services.accounting.ledger.reports import Dimension, UsageLine
from shared.contracts import TokenUsage
from shared.money import Nanodollars

BY = (Dimension.MODEL, Dimension.TENANT)


def a_line(model: str, cost: int, unpriced: int = 0) -> UsageLine:
    return UsageLine(
        group=(model, "acme"),
        attempts=3,
        tokens=TokenUsage(uncached_input=1000, cache_read=200, output=50),
        cost=Nanodollars(cost),
        unpriced_attempts=1 if unpriced else 0,
        unpriced_tokens=unpriced,
        mean_queue_ms=1.0,
        mean_duration_ms=20.0,
        mean_first_token_ms=None,
    )


def cells(*lines: UsageLine) -> list[dict[str, str]]:
    return [dict(zip(headings(BY), row, strict=True)) for row in table_rows(BY, lines)]


def test_several_lines_have_their_total_below() -> None:
    *_, total = cells(a_line("a", 1_500_000_000), a_line("b", 1))

    assert (total["MODEL"], total["CALLS"], total["INPUT"], total["CACHED"]) == ("total", "6", "2,400", "400")
    assert total["COST"] == "$1.500000001"


def test_one_line_is_its_own_total() -> None:
    assert len(cells(a_line("a", 1))) == 1


def test_a_cost_that_lacks_something_is_a_lower_bound() -> None:
    priced, lacking, none, total = cells(a_line("a", 10**9), a_line("b", 10**9, unpriced=7), a_line("c", 0, unpriced=7))

    assert [row["COST"] for row in (priced, lacking, none, total)] == ["$1.00", ">= $1.00", "unpriced", ">= $2.00"]
    assert lacking["UNPRICED"] == "7 tokens"


def test_rows_for_programs_are_exact_and_flat() -> None:
    row = fields(BY, a_line("a", 1_500_000_001))

    assert list(row) == field_names(BY)
    assert (row["model"], row["tenant"], row["cost_nanodollars"]) == ("a", "acme", 1_500_000_001)
    assert Decimal(str(row["cost_dollars"])) == Decimal("1.500000001")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--by", "colour"), "'colour' is not a valid Dimension; known are hour, day"),
        (("--since", "yesterday"), "is no moment: write 7d"),
        (("--csv", "--json"), "--csv and --json do not go together"),
    ],
)
def test_a_wrong_wish_is_told_before_any_server_is_asked(sluice, arguments: tuple[str, ...], why: str) -> None:
    told = sluice("usage", *arguments)

    assert told.code == ExitCode.USAGE
    assert why in told.err
