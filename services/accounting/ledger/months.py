"""How is the ledger cut into months? Partitions are made ahead, and dropped when their time is over.

A month whose partition was not made in time has its rows in the partition for the rest; they are moved when it is made.
Everything here takes its locks for moments only and gives up when somebody reads for long: the next round tries again.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Never, Self

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.charging import Entry
from services.accounting.ledger.engine import transaction
from services.accounting.ports import AwayError
from shared.clock import Clock

__all__ = ["LedgerMonths", "Month"]

log = structlog.get_logger("accounting")

_LEDGER: Final = "usage_ledger"
_REST: Final = "usage_ledger_rest"
_AHEAD: Final = 3
_ROUND_SECONDS: Final = 3600
_RETRY_SECONDS: Final = 60

_LOCK: Final = "select pg_advisory_xact_lock(hashtext('sluice ledger months'))"
_PATIENCE: Final = "set local lock_timeout = '2s'"
_EXISTING: Final = """
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'usage_ledger'::regclass and c.relname <> 'usage_ledger_rest'
"""
_STRAY: Final = f"select exists (select from {_REST} where keyed_at >= $1 and keyed_at < $2)"  # noqa: S608 - constants
_COLUMNS: Final = ", ".join((*Entry._fields, "recorded_at"))


@dataclass(frozen=True, slots=True, order=True)
class Month:
    year: int
    month: int

    @classmethod
    def of(cls, moment: datetime) -> Self:
        utc = moment.astimezone(UTC)
        return cls(utc.year, utc.month)

    @classmethod
    def of_partition(cls, name: str) -> Self:
        year, month = name.removeprefix(f"{_LEDGER}_").split("_")
        return cls(int(year), int(month))

    @property
    def partition(self) -> str:
        return f"{_LEDGER}_{self.year:04}_{self.month:02}"

    @property
    def begins(self) -> datetime:
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    def later(self, months: int) -> "Month":
        years, month = divmod(self.month - 1 + months, 12)
        return Month(self.year + years, month + 1)


class LedgerMonths:
    def __init__(self, engine: AsyncEngine, keep: int | None, clock: Clock) -> None:
        """`keep` is how many whole months before the one that runs are kept; None is all of them."""
        self._engine = engine
        self.keep = keep
        self._clock = clock

    async def look_once(self) -> None:
        """Look, if nobody is in the way."""
        try:
            await self.look()
        except AwayError as error:
            log.info("months_later", reason=str(error))

    async def run(self) -> Never:
        """Until cancelled: look now and then."""
        while True:
            try:
                await self.look()
            except AwayError as error:
                log.info("months_later", reason=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                await asyncio.sleep(_ROUND_SECONDS)

    async def look(self) -> None:
        """Afterwards the months to come have partitions, and those whose time is over are gone. Raises AwayError."""
        now = Month.of(self._clock())
        for month in (now.later(ahead) for ahead in range(-1, _AHEAD + 1)):
            await self._make(month)
        if self.keep is not None:
            await self._forget(now.later(-self.keep))

    async def _make(self, month: Month) -> None:
        async with transaction(self._engine) as connection:
            await connection.execute(_PATIENCE)
            await connection.execute(_LOCK)
            if month in await _partitions(connection):
                return
            # Attached, not created in place: that would lock the whole ledger against readers.
            await connection.execute(
                f"create table {month.partition} (like {_LEDGER} including defaults including generated)"
            )
            moved = await _move_strays(connection, month)
            await connection.execute(
                f"alter table {_LEDGER} attach partition {month.partition}"
                f" for values from ('{month.begins.isoformat()}') to ('{month.later(1).begins.isoformat()}')"
            )
        log.info("ledger_month_made", partition=month.partition, moved=moved)

    async def _forget(self, first_kept: Month) -> None:
        async with transaction(self._engine) as connection:
            await connection.execute(_PATIENCE)
            await connection.execute(_LOCK)
            over = sorted(month for month in await _partitions(connection) if month < first_kept)
            for month in over:
                await connection.execute(f"drop table {month.partition}")
            await connection.execute("delete from price_changes where keyed_at < $1", first_kept.begins)
            strays = await connection.execute(f"delete from {_REST} where keyed_at < $1", first_kept.begins)  # noqa: S608
        if over or strays != "DELETE 0":
            log.info("ledger_months_dropped", partitions=[month.partition for month in over], strays=strays)


async def _partitions(connection: asyncpg.Connection) -> frozenset[Month]:
    return frozenset(Month.of_partition(row["relname"]) for row in await connection.fetch(_EXISTING))


async def _move_strays(connection: asyncpg.Connection, month: Month) -> int:
    bounds = (month.begins, month.later(1).begins)
    # Attaching locks it anyway; locked now, no row of the month can come in between.
    await connection.execute(f"lock table {_REST} in access exclusive mode")
    if not await connection.fetchval(_STRAY, *bounds):
        return 0
    moved = await connection.fetch(
        f"""
        with stray as (delete from {_REST} where keyed_at >= $1 and keyed_at < $2 returning {_COLUMNS})
        insert into {month.partition} ({_COLUMNS}) select {_COLUMNS} from stray returning attempt
        """,  # noqa: S608 - names of ours
        *bounds,
    )
    return len(moved)
