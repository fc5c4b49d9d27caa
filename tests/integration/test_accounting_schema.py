"""The migrations build what the code believes in, once, however many processes try; and everything is explained."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.engine import engine_for
from services.accounting.ledger.tables import metadata
from services.accounting.migrations import migrate, newest
from tests.suites.migrations import up_to

VIEWS = {"usage_by_day", "cost_by_model", "job_costs"}


def is_of_a_partition(what: Any, _name: str | None, kind: str, *_: object) -> bool:
    """PostgreSQL makes these after their table."""
    table = what.name if kind == "table" else what.table.name
    return str(table).startswith("usage_ledger_")


@pytest.fixture
async def empty(empty_database: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_for(empty_database)
    yield engine
    await engine.dispose()


@pytest.fixture
async def migrated(empty: AsyncEngine) -> AsyncEngine:
    await migrate(empty)
    return empty


async def test_the_migrations_build_exactly_the_tables_of_the_code(migrated: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[Any]:
        options = {"compare_server_default": True, "include_object": lambda *about: not is_of_a_partition(*about)}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, metadata))

    async with migrated.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_every_table_view_and_column_has_a_comment(migrated: AsyncEngine) -> None:
    unexplained = text("""
        select c.relname, a.attname
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
        left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and c.relname <> 'alembic_version'
        where c.relkind in ('r', 'p', 'v')
          and not c.relispartition
          and (obj_description(c.oid, 'pg_class') is null
               or (a.attnum is not null and col_description(c.oid, a.attnum) is null))
    """)
    names = text("select table_name from information_schema.tables where table_schema = 'public'")
    async with migrated.connect() as connection:
        assert (await connection.execute(unexplained)).all() == []
        assert VIEWS | metadata.tables.keys() <= set((await connection.scalars(names)).all())


async def test_several_processes_may_migrate_at_once(empty_database: str) -> None:
    engines = [engine_for(empty_database) for _ in range(4)]
    await asyncio.gather(*map(migrate, engines))
    async with engines[0].connect() as connection:
        assert (await connection.scalars(text("select version_num from alembic_version"))).all() == [newest()]
    for engine in engines:
        await engine.dispose()


async def test_a_database_that_is_newer_than_the_code_is_left_alone(migrated: AsyncEngine) -> None:
    async with migrated.begin() as connection:
        await connection.execute(text("update alembic_version set version_num = '9999'"))
    await migrate(migrated)
    async with migrated.connect() as connection:
        assert await connection.scalar(text("select version_num from alembic_version")) == "9999"


async def test_histograms_of_before_say_what_they_said(empty: AsyncEngine) -> None:
    counted = [("first_token", 58, 3), ("first_token", 60, 12), ("duration", 0, 1), ("duration", 107, 999_999_999_999)]
    async with empty.begin() as connection:
        await connection.run_sync(up_to, "0011")
        for measure, bucket, calls in counted:
            row = {"measure": measure, "bucket": bucket, "calls": calls}
            await connection.execute(text(_BUCKET_OF_BEFORE), row)
        await connection.run_sync(up_to, "0012")
        rows = (await connection.execute(text(_BUCKETS_NOW))).all()
    assert [tuple(row) for row in rows] == [(day, *each) for day in (20, 21) for each in counted]


_BUCKET_OF_BEFORE = """
    insert into latency_daily (day, tenant, model_asked, provider, deployment, lane, measure, bucket, calls)
    select day, 'acme', 'm1', 'openai', 'd', 'batch', :measure, :bucket, :calls
    from unnest('{2026-11-20,2026-11-21}'::date[]) as day
"""
_BUCKETS_NOW = """
    select extract(day from day)::integer, measure, bucket, calls
    from latency_daily, lateral (values ('first_token', first_token), ('duration', duration)) as m (measure, histogram),
         latency_buckets(histogram)
    order by day, measure desc, bucket
"""
