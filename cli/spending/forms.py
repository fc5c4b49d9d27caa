"""How is a usage report written? As a table for people, as flat records for programs. Pure."""

from collections.abc import Sequence
from typing import Final

from cli.printing import dollar_column
from cli.spending.chart import bars
from services.accounting.ledger.reports import Grouping, UsageLine
from shared.contracts import TokenUsage
from shared.money import Nanodollars, dollars

__all__ = ["CHART", "FIGURES", "Record", "field_names", "fields", "headings", "table_rows", "total"]

FIGURES: Final = ("CALLS", "INPUT", "CACHED", "OUTPUT", "COST", "FIRST TOKEN", "UNPRICED")
CHART: Final = ""
"""The heading of the bars, which speak for themselves."""

Record = dict[str, str | int | float | None]


def headings(by: Sequence[Grouping]) -> tuple[str, ...]:
    return (*(dimension.value.upper() for dimension in by), *FIGURES, CHART)


def table_rows(by: Sequence[Grouping], lines: Sequence[UsageLine], chart_cells: int = 0) -> list[tuple[str, ...]]:
    """A row for each line, and their total below when there are several.

    Where there is room for a chart, each has a bar of its cost, or of its tokens when nothing has a cost.
    """
    shown = [*lines, total(by, lines)] if len(lines) > 1 else list(lines)
    amounts = dollar_column([dollars(line.cost) for line in shown])
    sizes = [line.cost for line in lines] if any(line.cost for line in lines) else [line.tokens.total for line in lines]
    drawn = [*bars(sizes, chart_cells), ""]
    return [(*_row(line, amount), bar) for line, amount, bar in zip(shown, amounts, drawn, strict=False)]


def field_names(by: Sequence[Grouping]) -> list[str]:
    return list(fields(by, total(by, ())))


def fields(by: Sequence[Grouping], line: UsageLine) -> Record:
    """One flat object, with the same names in every form; exact amounts are integers or decimal text."""
    first_token = line.mean_first_token_ms
    return {
        **{dimension.value: value for dimension, value in zip(by, line.group, strict=True)},
        "attempts": line.attempts,
        "jobs": line.jobs,
        "failovers": line.failovers,
        "uncached_input_tokens": line.tokens.uncached_input,
        "cache_write_tokens": line.tokens.cache_write,
        "cache_read_tokens": line.tokens.cache_read,
        "output_tokens": line.tokens.output,
        "reasoning_tokens": line.tokens.reasoning,
        "cost_nanodollars": line.cost,
        "cost_dollars": f"{dollars(line.cost):f}",
        "billed_nanodollars": line.billed,
        "billed_dollars": f"{dollars(line.billed):f}",
        "provider_cost_nanodollars": line.provider_cost,
        "unpriced_attempts": line.unpriced_attempts,
        "unpriced_tokens": line.unpriced_tokens,
        "mean_queue_ms": round(line.mean_queue_ms, 1),
        "mean_duration_ms": round(line.mean_duration_ms, 1),
        "mean_first_token_ms": None if first_token is None else round(first_token, 1),
    }


def total(by: Sequence[Grouping], lines: Sequence[UsageLine], name: str = "total") -> UsageLine:
    return UsageLine(
        group=(name, *("" for _ in by))[: len(by)],
        attempts=sum(line.attempts for line in lines),
        jobs=sum(line.jobs for line in lines),
        failovers=sum(line.failovers for line in lines),
        tokens=sum((line.tokens for line in lines), TokenUsage()),
        cost=Nanodollars(sum(line.cost for line in lines)),
        billed=Nanodollars(sum(line.billed for line in lines)),
        provider_cost=Nanodollars(sum(line.provider_cost for line in lines)),
        unpriced_attempts=sum(line.unpriced_attempts for line in lines),
        unpriced_tokens=sum(line.unpriced_tokens for line in lines),
        mean_queue_ms=0.0,
        mean_duration_ms=0.0,
        mean_first_token_ms=None,
    )


def _row(line: UsageLine, amount: str) -> tuple[str, ...]:
    first_token = line.mean_first_token_ms
    return (
        *(value or "-" for value in line.group),
        f"{line.attempts:,}",
        f"{line.tokens.input:,}",
        f"{line.tokens.cache_read:,}",
        f"{line.tokens.output:,}",
        _cost(line, amount),
        "-" if first_token is None else f"{first_token:,.0f} ms",
        f"{line.unpriced_tokens:,} tokens" if line.unpriced_tokens else "-",
    )


def _cost(line: UsageLine, amount: str) -> str:
    """A sum that lacks something is never shown as if it were whole."""
    if not line.unpriced_tokens:
        return amount
    return f">= {amount}" if line.cost else "unpriced"
