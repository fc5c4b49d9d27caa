"""Every query in the documents runs on the schema that the migrations build."""

import asyncpg
import pytest

from tests.architecture.documents import documents, fenced
from tests.architecture.tree import name_of

QUERIES = {
    f"{name_of(path)}-{number}": query
    for path in documents()
    for number, query in enumerate(fenced(path.read_text(encoding="utf-8"), "sql"), start=1)
}


async def test_every_query_runs(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        for name, query in QUERIES.items():
            try:
                await connection.fetch(query)
            except asyncpg.PostgresError as error:
                pytest.fail(f"{name}: {error}")
    finally:
        await connection.close()
