"""How does a command read from Kafka? As every reader of whole topics, with sentences for what goes wrong."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError

from cli.environment import Known
from shared import topic_reading
from shared.errors import OperatorError
from shared.kafka_access import KafkaAccess
from shared.settings import KafkaSettings, read_settings
from shared.topic_reading import MissingTopicError, Reading, Visitor

__all__ = ["access", "new_admin", "new_consumer", "reading", "told"]

_CLIENT: Final = "sluice-cli"


@contextmanager
def told(kafka: Known) -> Iterator[None]:
    """What Kafka's client says becomes a sentence."""
    place = f"{kafka.value} ({kafka.source})"
    try:
        yield
    except MissingTopicError as error:
        raise OperatorError(
            f"There is no topic {error.topic} at {place}: create it with `sluice topics create`, or start the stack "
            "with `sluice up`."
        ) from error
    except KafkaConnectionError as error:
        raise OperatorError(
            f"Kafka does not answer at {place}: start the stack with `sluice up`, or set KAFKA_URL."
        ) from error
    except (KafkaError, OSError, ValueError) as error:
        raise OperatorError(f"Kafka at {place} says: {str(error) or type(error).__name__}") from error


def access(kafka: Known) -> KafkaAccess:
    """As whom to go there: the environment says it, as it does for the services. Raises OperatorError."""
    return replace(read_settings(KafkaSettings).kafka, url=kafka.value)


def new_admin(kafka: Known) -> AbstractAsyncContextManager[AIOKafkaAdminClient]:
    return Visitor(access(kafka), _CLIENT).admin()


def new_consumer(kafka: Known) -> AbstractAsyncContextManager[AIOKafkaConsumer]:
    """Of no group, and with nothing assigned yet."""
    return Visitor(access(kafka), _CLIENT).consumer()


@asynccontextmanager
async def reading(kafka: Known, topics: Sequence[str], *, since: datetime | None = None) -> AsyncIterator[Reading]:
    """From the beginning, or from the first record at or after `since`. Raises OperatorError."""
    visitor = Visitor(access(kafka), _CLIENT)
    async with topic_reading.reading(visitor, topics, partial(told, kafka), since=since) as opened:
        yield opened
