"""How does a batch get into the database? By COPY into a temporary table, from which one statement then takes it.

One array per column, unnested by the server, needs no such table, but for the ledger's 32 columns it took the client 15
microseconds a row against 5 this way: asyncpg looks at every element of an array twice. For the same reason moments
travel as seconds since the epoch, which are exact to the microsecond far beyond any job's time.
"""

from collections.abc import Sequence
from typing import Any, Final

import asyncpg
from sqlalchemy import JSON, Column, DateTime, Double, MetaData, Table, Text, cast, func, select
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql.expression import ColumnElement, Select
from sqlalchemy.types import TypeEngine

from services.accounting.ledger.engine import as_text

__all__ = ["Staging"]

_IN_MEMORY: Final = "set local work_mem = '64MB'"
"""A batch is sorted, and its new rows are put by for the sums: with PostgreSQL's own 4 MB it would use files."""


class Staging:
    """Where rows wait, inside a transaction, for the statement that moves them into `table`."""

    def __init__(self, name: str, table: Table, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self._target = table
        self._waiting = Table(
            name,
            MetaData(),
            *(Column(column, self._travels_as(column)) for column in columns),
            prefixes=["TEMPORARY"],
            postgresql_on_commit="DELETE ROWS",
        )
        self._prepare = f"{_IN_MEMORY}; {as_text(CreateTable(self._waiting, if_not_exists=True))}"

    async def fill(self, transaction: asyncpg.Connection, rows: Sequence[Sequence[object]]) -> None:
        """Add rows, whose fields are in the order of `columns`. They are gone when the transaction ends."""
        await transaction.execute(self._prepare)
        await transaction.copy_records_to_table(self._waiting.name, records=rows, columns=self.columns)

    def rows(self) -> Select[Any]:
        """What is waiting, in the order of the target's key: so two writers never wait for each other in a circle."""
        key = [self._waiting.c[column.name] for column in self._target.primary_key if column.name in self.columns]
        return select(*(self._arrived(name).label(name) for name in self.columns)).order_by(*key)

    def _arrived(self, name: str) -> ColumnElement[Any]:
        kind, sent = self._target.c[name].type, self._waiting.c[name]
        if isinstance(kind, JSON):
            return cast(sent, kind)
        return func.to_timestamp(sent) if isinstance(kind, DateTime) else sent

    def _travels_as(self, name: str) -> TypeEngine[Any]:
        kind = self._target.c[name].type
        if isinstance(kind, JSON | Text):
            return Text()
        return Double() if isinstance(kind, DateTime) else kind
