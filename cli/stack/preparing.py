"""What must be there before the services start: the topics on the broker and the tables in the database."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aiokafka.errors import KafkaError

from cli.stack.runner import last_words
from cli.stack.service import python_module
from devstack.leash import leashed
from shared.errors import OperatorError
from shared.kafka import ensure_topics

__all__ = ["create_tables", "create_topics"]

_MIGRATION_SECONDS: Final = 60.0


async def create_topics(kafka_url: str, topic_prefix: str) -> None:
    """Raises OperatorError. Topics that exist stay as they are."""
    try:
        await ensure_topics(kafka_url, topic_prefix)
    except KafkaError as error:
        raise OperatorError(f"The topics could not be created at {kafka_url}: {error}") from error


async def create_tables(environment: Mapping[str, str], log: Path, lock: int) -> None:
    """Bring the database to the newest migration. Raises OperatorError."""
    command = python_module("services.accounting", "migrate")
    process = await leashed(command, env=environment, log=log, held=(lock,))
    try:
        async with asyncio.timeout(_MIGRATION_SECONDS):
            code = await process.wait()
    except TimeoutError:
        code = await process.stop()
    if code != 0:
        raise OperatorError(f"The tables could not be created: {last_words(log)} (its log is {log})")
