"""How do commands reach the ledger, and how are moments and dimensions read from the command line?"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import typer
from sqlalchemy.ext.asyncio import AsyncEngine

from cli.environment import Environment
from cli.instants import parse_since
from services.accounting.ledger.engine import engine_for
from services.accounting.ledger.reports import Dimension
from services.accounting.ports import AwayError
from shared.clock import utc_now
from shared.errors import OperatorError

__all__ = ["dimensions", "ledger", "moment", "moment_or_always"]


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


def dimensions(text: str) -> tuple[Dimension, ...]:
    """Raises typer.BadParameter."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    try:
        return tuple(dict.fromkeys(Dimension(name) for name in names))
    except ValueError as error:
        raise typer.BadParameter(f"--by: {error}; known are {', '.join(Dimension)}.") from None


def moment(text: str) -> datetime:
    """Raises typer.BadParameter."""
    try:
        return parse_since(text, utc_now())
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from None


def moment_or_always(text: str | None) -> datetime | None:
    """None for `all` and for nothing. Raises typer.BadParameter."""
    return None if text is None or text == "all" else moment(text)
