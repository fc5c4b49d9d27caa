"""What does the night's audit read from? Connections of its own, which end with it, and Redis as accounting has it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import datetime
from functools import partial
from typing import Final

from aiokafka.errors import KafkaError

from services.accounting.auditing.budget_checks import ReadBook
from services.accounting.auditing.comparing import Audit, Books, Pace, Span, audited
from services.accounting.ledger.audit_store import only_auditor
from services.accounting.ledger.engine import dispose, engine_for
from services.accounting.ports import AwayError
from shared.kafka_access import KafkaAccess
from shared.topic_reading import Reading, Visitor, reading
from shared.topics import Topic

__all__ = ["Auditor", "OwnConnections"]

Auditor = Callable[[Span], Awaitable[Audit]]
"""Raises AwayError."""

_CLIENT: Final = "sluice-audit"
_CONNECTIONS: Final = 2
"""One holds the lock."""
_STATEMENT_SECONDS: Final = 1800.0
"""A day of a large house is summed up anew."""


class OwnConnections:
    def __init__(
        self, postgres_url: str, kafka: KafkaAccess, topic_prefix: str, read_book: ReadBook, pace: Callable[[], Pace]
    ) -> None:
        """`pace` begins one."""
        self._postgres_url = postgres_url
        self._visitor = Visitor(kafka, _CLIENT)
        self._topic_prefix = topic_prefix
        self._read_book = read_book
        self._pace = pace

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Auditor | None]:
        """None: another process audits. Raises AwayError."""
        engine = engine_for(self._postgres_url, connections=_CONNECTIONS, statement_seconds=_STATEMENT_SECONDS)
        try:
            async with only_auditor(engine) as is_alone:
                books = Books(engine, self._read_book, self._topic)
                yield partial(audited, books, pace=self._pace()) if is_alone else None
        finally:
            await dispose(engine)

    def _topic(self, topic: Topic, since: datetime) -> AbstractAsyncContextManager[Reading]:
        return reading(self._visitor, [topic.at(self._topic_prefix)], _told, since=since)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (KafkaError, OSError, ValueError) as error:
        raise AwayError(f"Kafka: {error!r}") from error
