"""How do commands reach the ledger, and how are moments and dimensions read from the command line?"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.environment import Environment
from cli.instants import parse_since
from services.accounting.ledger.engine import engine_for
from services.accounting.ledger.reports import Dimension, Grouping, Tag, UsageLine, usage
from services.accounting.ports import AwayError
from shared.clock import utc_now
from shared.errors import OperatorError

__all__ = ["Question", "asked", "ledger", "moment"]

_TAG: Final = "tag:"


@dataclass(frozen=True, slots=True)
class Question:
    by: tuple[Grouping, ...]
    since: datetime | None
    until: datetime | None
    tenant: str | None

    @classmethod
    def of(cls, by: str, since: str, until: str | None, tenant: str | None) -> "Question":
        """As people write it. Raises typer.BadParameter."""
        return cls(_groupings(by), _moment_or_always(since), _moment_or_always(until), tenant)


async def asked(environment: Environment, question: Question) -> Sequence[UsageLine]:
    """Raises OperatorError."""
    async with ledger(environment) as engine:
        return await usage(engine, question.by, since=question.since, until=question.until, tenant=question.tenant)


@asynccontextmanager
async def ledger(environment: Environment) -> AsyncIterator[AsyncEngine]:
    """Raises OperatorError when the database does not answer."""
    at = environment.postgres
    engine = engine_for(at.value)
    try:
        yield engine
    except AwayError as error:
        raise OperatorError(
            f"The ledger in PostgreSQL cannot be read (address by {at.source}): {error}. "
            "Start the stack with `sluice up`, or set POSTGRES_URL."
        ) from error
    finally:
        await engine.dispose()


def moment(text: str) -> datetime:
    """Raises typer.BadParameter."""
    try:
        return parse_since(text, utc_now())
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from None


def _moment_or_always(text: str | None) -> datetime | None:
    return None if text is None or text == "all" else moment(text)


def _groupings(text: str) -> tuple[Grouping, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    return tuple(dict.fromkeys(map(_grouping, names)))


def _grouping(name: str) -> Grouping:
    if name.startswith(_TAG) and name != _TAG:
        return Tag(name.removeprefix(_TAG))
    try:
        return Dimension(name.replace("_", "-"))  # as the columns are called
    except ValueError as error:
        raise typer.BadParameter(f"--by: {error}; known are {', '.join(Dimension)} and tag:NAME.") from None
