"""`sluice usage`: what its table says and does not say."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.exit_codes import ExitCode
from cli.spending import statement
from cli.spending.chart import bars
from cli.spending.forms import field_names, fields, headings, table_rows
from cli.spending.records import write_parquet
from services.accounting.ledger.reports import Dimension, UsageLine
from shared.contracts import TokenUsage
from shared.money import Nanodollars

BY = (Dimension.MODEL, Dimension.TENANT)


def a_line(model: str, cost: int, unpriced: int = 0) -> UsageLine:
    return UsageLine(
        group=(model, "acme"),
        attempts=3,
        jobs=2,
        failovers=1,
        tokens=TokenUsage(uncached_input=1000, cache_read=200, output=50),
        cost=Nanodollars(cost),
        billed=Nanodollars(cost - cost // 10),
        provider_cost=Nanodollars(0),
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
        (("--csv", "--json"), "--csv, --json and --parquet do not go together"),
        (("--by", "tag:"), "'tag:' is not a valid Dimension"),
        (("top", "--limit", "0"), "greater than or equal to 1"),
    ],
)
def test_a_wrong_wish_is_told_before_any_server_is_asked(sluice, arguments: tuple[str, ...], why: str) -> None:
    told = sluice("usage", *arguments)

    assert told.code == ExitCode.USAGE
    assert why in told.err


def test_a_person_sees_how_large_each_is_and_a_pipe_does_not() -> None:
    lines = (a_line("a", 4 * 10**9), a_line("b", 10**9), a_line("c", 1), a_line("d", 0))
    drawn = [row[-1] for row in table_rows(BY, lines, chart_cells=8)]
    assert drawn == ["████████", "██", "▏", "", ""]
    assert {row[-1] for row in table_rows(BY, lines)} == {""}


@given(st.lists(st.integers(0, 10**18), min_size=1), st.integers(1, 60))
def test_bars_are_as_long_as_their_amounts_and_fit(amounts: list[int], cells: int) -> None:
    drawn = bars(amounts, cells)
    assert max(len(bar) for bar in drawn) <= cells
    assert [bool(bar) for bar in drawn] == [amount > 0 for amount in amounts]
    eighths = [sum(" ▏▎▍▌▋▊▉█".index(block) for block in bar) for bar in drawn]
    for amount, length in zip(amounts, eighths, strict=True):
        assert abs(length * max(amounts) - amount * cells * 8) <= max(amounts)


def test_a_month_is_shown_with_what_is_billed_and_what_providers_say() -> None:
    said = replace(a_line("b", 3 * 10**9), provider_cost=Nanodollars(2 * 10**9))
    rows = statement.table_rows(BY, (a_line("a", 10**9, unpriced=4), said))
    shown = [dict(zip(statement.headings(BY), row, strict=True)) for row in rows]
    assert [row["COST"] for row in shown] == [">= $1.00", "$3.00", ">= $4.00"]
    assert [row["BILLED"] for row in shown] == [">= $0.90", "$2.70", ">= $3.60"]
    assert [row["PROVIDERS SAY"] for row in shown] == ["-", "$2.00", "$2.00"]


@pytest.mark.parametrize("month", ["2026-13", "november"])
def test_a_month_that_is_none_is_told(sluice, month: str) -> None:
    told = sluice("cost", "report", "--month", month)
    assert told.code == ExitCode.USAGE
    assert "is no month: write 2026-11" in told.err


def test_parquet_is_exact_and_typed(tmp_path: Path) -> None:
    from pyarrow import parquet

    path = tmp_path / "usage.parquet"
    lines = [a_line("a", 123_456_789_012_345_678), a_line("b", 1)]
    write_parquet(path, field_names(BY), [fields(BY, line) for line in lines])
    table = parquet.read_table(path)
    assert table.column("cost_dollars").to_pylist() == [Decimal("123456789.012345678"), Decimal("0.000000001")]
    assert table.column("cost_nanodollars").to_pylist() == [123_456_789_012_345_678, 1]
    assert table.column("model").to_pylist() == ["a", "b"]
    assert table.column("mean_first_token_ms").to_pylist() == [None, None]
    write_parquet(path, field_names(BY), [])
    assert parquet.read_table(path).schema == table.schema, "an empty month has the same columns"
