"""Where is it kept what long runs came to? In a table of `docs/reliability.md`, a row per run, the newest first."""

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from chaos.outcome import Outcome

__all__ = ["SHORTEST_SECONDS", "record", "row", "with_row"]

SHORTEST_SECONDS: Final = 600.0
"""What is shorter says too little."""

_PAGE: Final = Path(__file__).parents[1] / "docs" / "reliability.md"
_BEGIN: Final = "<!-- runs: written by `python -m chaos --record` -->\n"
_RULE: Final = "| --- |"


def record(outcome: Outcome) -> None:
    _PAGE.write_text(with_row(_PAGE.read_text(), row(outcome, datetime.now(UTC))))


def row(outcome: Outcome, now: datetime) -> str:
    numbers = outcome.numbers
    off = [verdict.claim for verdict in outcome.verdicts if not verdict.holds]
    cells = (
        f"{now:%Y-%m-%d}",
        version("sluice"),
        f"{outcome.seconds:g} s",
        f"{outcome.seed}",
        f"{outcome.jobs}",
        f"{outcome.calls}",
        f"{sum(outcome.faults.values())}",
        f"{numbers.kills}",
        f"{numbers.jobs_lost}",
        f"{numbers.rows_lost}",
        f"{100 * numbers.resumed_correctly:.4g} % of {numbers.streams_resumed}",
        f"{numbers.duplicates} in {numbers.rebalances}",
        "all hold" if not off else f"**off:** {'; '.join(off)}",
    )
    return f"| {' | '.join(cells)} |\n"


def with_row(page: str, new: str) -> str:
    """Behind the head of the table, which stands behind the mark."""
    before, mark, rest = page.partition(_BEGIN)
    rule = rest.find(_RULE)
    if not mark or rule < 0:
        raise ValueError(f"{_PAGE.name} has no table behind {_BEGIN.strip()}")
    end = rest.index("\n", rule) + 1
    return before + mark + rest[:end] + new + rest[end:]
