"""Mends aiokafka, when it is imported: a connection on which any request has timed out is given up.

aiokafka does that for all requests but those for metadata (aiokafka #624). A producer whose connection has died without
a word then asks for its topics on it for ever, and every record it is given is refused with an unknown topic.
"""

from collections.abc import Awaitable
from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection, CloseReason

_send: Final = AIOKafkaConnection.send


def _send_or_close(connection: AIOKafkaConnection, request: object, expect_response: bool = True) -> Awaitable[Any]:
    answer: Awaitable[Any] = _send(connection, request, expect_response)
    return _answered(connection, answer) if expect_response else answer


async def _answered(connection: AIOKafkaConnection, answer: Awaitable[Any]) -> Any:  # noqa: ANN401 - aiokafka's own
    try:
        return await answer
    except TimeoutError:
        connection.close(reason=CloseReason.CONNECTION_TIMEOUT)
        raise


AIOKafkaConnection.send = _send_or_close
