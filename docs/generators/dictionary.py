"""The tables and views of the ledger, column by column, from SQLAlchemy's tables and from what the migrations say."""

import importlib
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Column, Dialect, Table, create_engine

from docs.generators.markdown import code, codes, sentence, table
from services.accounting.ledger.tables import metadata

__all__ = ["section"]

_DIALECT: Final[Dialect] = create_engine("postgresql+asyncpg://").dialect
_VERSIONS: Final = Path(__file__).parents[2] / "services/accounting/migrations/versions"
_PACKAGE: Final = "services.accounting.migrations.versions"

_TEXT: Final = r"'((?:[^']|'')*)'"
_STATEMENT: Final = re.compile(
    rf"create (?:or replace )?view (?P<view>\w+) (?:with \([^)]*\) )?as"
    rf"|drop view (?P<dropped>\w+)"
    rf"|comment on view (?P<on_view>\w+) is (?P<view_text>{_TEXT})"
    rf"|comment on column (?P<on_column>\w+)\.(?P<column>\w+) is (?P<column_text>{_TEXT})",
    re.IGNORECASE,
)


@dataclass(slots=True)
class _View:
    comment: str = ""
    columns: dict[str, str] = field(default_factory=dict)


def section() -> str:
    parts = ["## Tables"]
    headings = ("column", "type", "null", "meaning")
    for name, each in sorted(metadata.tables.items()):
        parts += [f"### {name}", _about(each), table(headings, map(_line, each.columns))]
    parts.append("## Views")
    for name, view in sorted(_views().items()):
        rows = [(code(column), meaning) for column, meaning in view.columns.items()]
        parts += [f"### {name}", view.comment, table(("column", "meaning"), rows)]
    return "\n\n".join(parts)


def _about(each: Table) -> str:
    key = codes(column.name for column in each.primary_key.columns)
    return f"{sentence(each.comment)} Primary key: {key}."


def _line(column: Column[object]) -> tuple[str, str, str, str]:
    kind = column.type.compile(dialect=_DIALECT).lower()
    kind = kind.replace(' collate "c"', "").replace("timestamp with time zone", "timestamptz")
    return code(column.name), kind, "yes" if column.nullable else "", sentence(column.comment)


def _views() -> dict[str, _View]:
    """As the migrations leave them, read from the SQL that they would run."""
    views: dict[str, _View] = {}
    for found in _STATEMENT.finditer(_migrations()):
        match found.lastgroup:
            case "view":
                views[found["view"]] = _View()
            case "dropped":
                views.pop(found["dropped"], None)
            case _ if found["on_view"] in views:
                views[found["on_view"]].comment = _unquoted(found["view_text"])
            case _ if found["on_column"] in views:
                views[found["on_column"]].columns[found["column"]] = _unquoted(found["column_text"])
    return views


def _migrations() -> str:
    written = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written, "literal_binds": True}
    )
    with Operations.context(context):
        for upgrade in _upgrades():
            upgrade()
    return written.getvalue()


def _upgrades() -> Iterator[Callable[[], None]]:
    for path in sorted(_VERSIONS.glob("[0-9]*_*.py")):
        yield importlib.import_module(f"{_PACKAGE}.{path.stem}").upgrade


def _unquoted(literal: str) -> str:
    return literal[1:-1].replace("''", "'")
