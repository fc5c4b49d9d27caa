"""Bringing a database to the newest schema. Any number of processes may try at once: one does it, the others wait."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = ["alembic_config", "migrate"]

_LOCK = 0x736C75696365
"""The advisory lock of everybody who migrates a Sluice database: "sluice" in ASCII."""


def alembic_config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config


async def migrate(engine: AsyncEngine) -> None:
    """Bring the schema up to date in one transaction; afterwards it is, whoever did it.

    May block while another process migrates. Raises what the database raises; nothing has changed then.
    """
    async with engine.begin() as connection:
        await connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "head"))
