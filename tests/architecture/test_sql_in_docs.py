"""Every query in the documents runs on the schema that the migrations build."""

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from services.accounting.migrations import migrate
from tests.architecture.documents import documents, fenced
from tests.architecture.tree import name_of

QUERIES = {
    f"{name_of(path)}-{number}": query
    for path in documents()
    for number, query in enumerate(fenced(path.read_text(encoding="utf-8"), "sql"), start=1)
}


async def test_every_query_runs(database: str) -> None:
    await _migrated(database)
    connection = await asyncpg.connect(database)
    try:
        for name, query in QUERIES.items():
            try:
                await connection.fetch(query)
            except asyncpg.PostgresError as error:
                pytest.fail(f"{name}: {error}")
    finally:
        await connection.close()


async def _migrated(database: str) -> None:
    engine = create_async_engine(database.replace("postgresql://", "postgresql+asyncpg://", 1))
    try:
        await migrate(engine)
    finally:
        await engine.dispose()
