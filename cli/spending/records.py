"""How do records leave for other programs? As CSV or JSON through a pipe, as Parquet into a file."""

import csv
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

from cli.printing import remark
from cli.spending.forms import Record
from shared.errors import OperatorError

__all__ = ["write_csv", "write_parquet"]

_COUNTS: Final = ("attempts", "jobs", "failovers", "_attempts", "_tokens", "_nanodollars")


def write_csv(names: Sequence[str], records: Sequence[Record]) -> None:
    writer = csv.DictWriter(sys.stdout, names)
    writer.writeheader()
    writer.writerows(records)


def write_parquet(path: Path, names: Sequence[str], records: Sequence[Record]) -> None:
    """Dollars are exact there, too: decimals with nine places. Raises OperatorError."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise OperatorError("Parquet needs one more package: install sluice[parquet].") from None

    def kind(name: str) -> object:
        if name.endswith("_dollars"):
            return pa.decimal128(38, 9)
        if name.startswith("mean_"):
            return pa.float64()
        return pa.int64() if name.endswith(_COUNTS) else pa.string()

    exact = [
        {name: Decimal(str(value)) if name.endswith("_dollars") else value for name, value in record.items()}
        for record in records
    ]
    schema = pa.schema([(name, kind(name)) for name in names])
    try:
        parquet.write_table(pa.Table.from_pylist(exact, schema=schema), path)
    except OSError as error:
        raise OperatorError(f"{path} cannot be written: {error}.") from error
    remark(f"{len(records):,} rows in {path}.")
