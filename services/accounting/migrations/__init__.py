"""Bringing a database to the newest schema. Any number of processes may try at once: one does it, the others wait."""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["migrate", "newest"]

_FOLDER: Final = Path(__file__).parent

_LOCK: Final = 0x736C75696365
"""The advisory lock of everybody who migrates a Sluice database: "sluice" in ASCII."""


def newest() -> str:
    """The revision that this code is written for. Revisions are numbered, and their files begin with the number."""
    return max(path.name.partition("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*_*.py"))


async def migrate(engine: AsyncEngine) -> None:
    """Bring the schema up to date in one transaction; afterwards it is, whoever did it.

    May block while another process migrates. Raises what the database raises; nothing has changed then.
    """
    found = await _found(engine)
    # A newer one is fine: in a rolling deployment the next version migrates while this one still runs.
    if found is not None and found >= newest():
        return
    async with engine.begin() as connection:
        await connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        await connection.run_sync(_upgrade)


async def _found(engine: AsyncEngine) -> str | None:
    async with engine.connect() as connection:
        if not await connection.scalar(text("select to_regclass('alembic_version')")):
            return None
        found: str | None = await connection.scalar(text("select version_num from alembic_version"))
        return found


def _upgrade(connection: Connection) -> None:
    # Late: most starts find the database up to date and are 0.2 s faster and 7 MB smaller without Alembic.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
