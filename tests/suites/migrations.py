"""The schema as it was at some time."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from services.accounting import migrations

__all__ = ["up_to"]


def up_to(connection: Connection, revision: str) -> None:
    """Bring the database from wherever it is to this revision."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
