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
