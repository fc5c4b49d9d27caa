"""How a benchmark tells what it found: a table for a person, JSON for a program, a section of `docs/benchmarks.md`."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.system import machine

__all__ = ["Report", "Row", "parser", "report_of", "tell", "with_section"]

PAGE: Final = Path(__file__).parents[1] / "docs" / "benchmarks.md"
_RIGHT: Final = frozenset({"measured", "change"})


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    value: float
    unit: str
    goal: str = ""
    """Empty where it only explains another."""


@dataclass(frozen=True, slots=True)
class Report:
    name: str
    """The module's, and the section's of the page."""
    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    figures: Sequence[dict[str, object]]


def report_of(name: str, title: str, rows: Sequence[Row]) -> Report:
    """Of figures that each stand for themselves."""
    shown = [(row.name, f"{row.value:,.1f}", row.unit, row.goal) for row in rows]
    figures: list[dict[str, object]] = [
        {"name": row.name, "value": round(row.value, 2), "unit": row.unit, "goal": row.goal} for row in rows
    ]
    return Report(name, title, ("what", "measured", "unit", "goal"), shown, figures)


def parser(description: str | None) -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--json", action="store_true")
    options.add_argument("--record", action="store_true", help=f"write it into docs/{PAGE.name} too")
    return options


def tell(report: Report, options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps({"machine": machine(), "figures": list(report.figures)}, indent=2))
    else:
        _show(report)
    if options.record:
        PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), report, _circumstances()), encoding="utf-8")


def with_section(page: str, report: Report, circumstances: str) -> str:
    """What stood between the section's marks before is replaced."""
    begin, end = f"<!-- {report.name} -->\n", f"<!-- end of {report.name} -->\n"
    before, began, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not began or not ended:
        raise ValueError(f"{PAGE.name} has no section {report.name}")
    lines = [report.headings, ["---"] * len(report.headings), *report.rows]
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    return f"{before}{begin}{report.title}. {circumstances}\n\n{table}{end}{after}"


def _circumstances() -> str:
    facts = ", ".join(f"{name} {value}" for name, value in machine().items())
    load = psutil.getloadavg()[2]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, version {version('sluice')}, {facts}; load of the last 15 minutes {load:.1f}."
    )


def _show(report: Report) -> None:
    table = Table(title=report.title)
    for heading in report.headings:
        table.add_column(heading, justify="right" if heading in _RIGHT or "MiB" in heading else "left")
    for row in report.rows:
        table.add_row(*row)
    console = Console()
    console.print(table)
    console.print("Measured on:", ", ".join(f"{name} {value}" for name, value in machine().items()))
