"""The records of `ports.DirectoryOf` in PostgreSQL: a table for each kind, a column for each field of its record.

Who has changed something wakes the doors of all replicas; should they not hear it, they look by themselves.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, fields
from typing import Any, Final, Generic, TypeVar

import asyncpg
import orjson

from services.ingress.adapters.postgres import connection
from services.ingress.admission import NO_LIMITS, Limits
from services.ingress.auditing import event_of
from services.ingress.directory import KeyRecord, TeamRecord, TenantRecord
from services.ingress.directory_ports import TakenError, UnknownNameError
from services.ingress.ports import UnavailableError
from shared.audit import append
from shared.contracts import Lane

__all__ = ["KEYS", "TEAMS", "TENANTS", "Kind", "PostgresRecords", "limits_of", "names_told"]

Record = TypeVar("Record", TenantRecord, TeamRecord, KeyRecord)

_JSON: Final = frozenset({"limits", "tags"})


@dataclass(frozen=True, slots=True)
class Kind(Generic[Record]):
    table: str
    name: tuple[str, ...]
    """The columns of the primary key; the last of them is the record's own name."""
    record: type[Record]


TENANTS: Final = Kind("tenants", ("tenant",), TenantRecord)
TEAMS: Final = Kind("teams", ("tenant", "team"), TeamRecord)
KEYS: Final = Kind("api_keys", ("key_id",), KeyRecord)


class PostgresRecords(Generic[Record]):
    def __init__(
        self,
        pool: Any,  # noqa: ANN401 - asyncpg has no types
        kind: Kind[Record],
        *,
        call_seconds: float,
        wake: Callable[[], Awaitable[None]],
    ) -> None:
        self._pool = pool
        self._kind: Kind[Record] = kind
        self._call_seconds = call_seconds
        self._wake = wake
        self._columns = [field.name for field in fields(kind.record)]
        listed, table = ", ".join(self._columns), kind.table
        is_named = " and ".join(f"{column} = ${at}" for at, column in enumerate(kind.name, 1))
        values = ", ".join(f"${at}" for at in range(1, len(self._columns) + 1))
        own = kind.name[-1]
        # Statements of constants: tables and columns are those above.
        self._find = f"select {listed} from {table} where {is_named}"  # noqa: S608
        self._page = f"""
            select {listed} from {table} where ($1::text is null or tenant = $1) and {own} > $2
            order by {own}, tenant limit $3
        """  # noqa: S608
        self._insert = f"insert into {table} ({listed}) values ({values})"  # noqa: S608
        self._update = f"""
            update {table} set ({listed}) = row({values})
            where {" and ".join(f"{column} = ${self._columns.index(column) + 1}" for column in kind.name)}
        """  # noqa: S608

    async def find(self, *name: str) -> Record | None:
        async with connection(self._pool, call_seconds=self._call_seconds) as connected:
            row = await connected.fetchrow(self._find, *name)
        return None if row is None else self._read(row)

    async def page(self, tenant: str | None, *, after: str, limit: int) -> Sequence[Record]:
        async with connection(self._pool, call_seconds=self._call_seconds) as connected:
            rows = await connected.fetch(self._page, tenant, after, limit)
        return [self._read(row) for row in rows]

    async def create(self, record: Record, by: str) -> None:
        async with self._transaction() as connected:
            await self.insert(connected, record, by)
        await self._wake()

    async def insert(self, connected: Any, record: Record, by: str) -> None:  # noqa: ANN401
        """Into somebody's transaction, who afterwards wakes the doors."""
        await connected.execute(self._insert, *self._written(record))
        await self._tell(connected, None, record, by)

    async def change(self, how: Callable[[Record], Record], by: str, *name: str) -> Record | None:
        async with self._transaction() as connected:
            row = await connected.fetchrow(f"{self._find} for update", *name)
            if row is None:
                return None
            before = self._read(row)
            changed = how(before)
            await connected.execute(self._update, *self._written(changed))
            await self._tell(connected, before, changed, by)
        await self._wake()
        return changed

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Any]:
        with names_told():
            async with connection(self._pool, call_seconds=self._call_seconds) as connected, connected.transaction():
                yield connected

    async def _tell(self, connected: Any, before: Record | None, after: Record, by: str) -> None:  # noqa: ANN401
        event = event_of(before, after, by, after.changed_at)
        if event is not None:
            await append(connected, event)

    def _read(self, row: Any) -> Record:  # noqa: ANN401
        made: type[Record] = self._kind.record
        return made(**{column: _field(column, row[column]) for column in self._columns})

    def _written(self, record: Record) -> list[object]:
        return [_column(column, getattr(record, column)) for column in self._columns]


def limits_of(raw: str | None) -> Limits:
    """Of a column; without the fields of another version."""
    if raw is None or raw == "{}":
        return NO_LIMITS
    known = {field.name for field in fields(Limits)}
    return Limits(**{name: most for name, most in orjson.loads(raw).items() if name in known})


def _field(column: str, value: Any) -> Any:  # noqa: ANN401
    match column:
        case "limits":
            return limits_of(value)
        case "tags":
            return orjson.loads(value)
        case "models":
            return tuple(value)
        case "lanes":
            return tuple(map(Lane, value))
        case _:
            return value


def _column(column: str, value: object) -> object:
    if isinstance(value, Limits):
        said = {field.name: getattr(value, field.name) for field in fields(Limits)}
        return orjson.dumps({name: most for name, most in said.items() if most is not None}).decode()
    if column in _JSON:
        return orjson.dumps(value).decode()
    return list(value) if isinstance(value, tuple) else value


@contextmanager
def names_told() -> Iterator[None]:
    """What the database says of a name becomes the port's word for it; anything else stays what it is."""
    try:
        yield
    except UnavailableError as error:
        match error.__cause__:
            case asyncpg.UniqueViolationError():
                raise TakenError from error.__cause__
            case asyncpg.ForeignKeyViolationError():
                raise UnknownNameError from error.__cause__
            case _:
                raise
