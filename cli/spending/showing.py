"""In which form does a report come out? As its reader wishes; a person at a terminal gets bars beside the figures."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import typer

from cli.printing import print_json, print_table, remark
from cli.spending.forms import FIGURES, field_names, fields, headings, table_rows
from cli.spending.records import write_csv, write_parquet
from services.accounting.ledger.reports import Grouping, UsageLine

__all__ = ["Form", "show"]

_CHART_CELLS: Final = 24


@dataclass(frozen=True, slots=True)
class Form:
    """At most one of them; none is a table. Raises typer.BadParameter."""

    csv: bool
    json: bool
    parquet: Path | None

    def __post_init__(self) -> None:
        if self.csv + self.json + (self.parquet is not None) > 1:
            raise typer.BadParameter("--csv, --json and --parquet do not go together.")

    @property
    def is_table(self) -> bool:
        return not (self.csv or self.json or self.parquet)


def show(form: Form, by: Sequence[Grouping], lines: Sequence[UsageLine]) -> None:
    """Raises OperatorError when a file cannot be written."""
    records = [fields(by, line) for line in lines]
    if form.json:
        print_json(records)
    elif form.csv:
        write_csv(field_names(by), records)
    elif form.parquet is not None:
        write_parquet(form.parquet, field_names(by), records)
    elif lines:
        cells = _CHART_CELLS if sys.stdout.isatty() else 0
        print_table(headings(by), table_rows(by, lines, cells), right=FIGURES)
    else:
        remark("Nothing was used in that time.")
