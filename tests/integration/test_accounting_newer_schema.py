"""A process beside a newer schema works as long as it can, and says so when it cannot, instead of waiting for ever."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.accounting.ledger.engine import engine_for
from services.accounting.ledger.usage_store import PostgresLedger
from services.accounting.migrations import at_home, newest
from services.accounting.ports import Added, AwayError, MisfitError
from shared.errors import OperatorError
from shared.prices import OwnPrices
from shared.prices.genai import GenaiPrices
from tests.suites.accounting import an_attempt, entered

BOOK = OwnPrices((), GenaiPrices({}))
NEWER = "update alembic_version set version_num = '9999'"
IN_THE_WAY = "alter table usage_ledger rename column caller to key_id"


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = engine_for(database)
    yield engine
    await engine.dispose()


async def done(engine: AsyncEngine, *statements: str) -> None:
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def add_one(engine: AsyncEngine) -> Added:
    async with at_home(engine):
        return await PostgresLedger(engine).add([entered(an_attempt(), BOOK)], {})


async def test_what_a_newer_schema_has_left_as_it_was_is_written_to(engine: AsyncEngine) -> None:
    await done(engine, NEWER, "alter table usage_ledger add column colour text")
    assert (await add_one(engine)).rows == 1


async def test_who_is_shut_out_by_a_newer_schema_ends_and_names_both_revisions(engine: AsyncEngine) -> None:
    await done(engine, NEWER, IN_THE_WAY)
    with pytest.raises(OperatorError, match=f"9999.*{newest()}.*caller"):
        await add_one(engine)


async def test_a_schema_that_is_merely_broken_is_waited_for(engine: AsyncEngine) -> None:
    await done(engine, IN_THE_WAY)
    with pytest.raises(MisfitError, match="caller") as told:
        await add_one(engine)
    assert isinstance(told.value, AwayError)
