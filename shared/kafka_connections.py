"""Mends aiokafka, when it is imported: of a connection that is none any more, whoever uses it learns.

One on which any request has timed out is given up. aiokafka does that for all requests but those for metadata (aiokafka
#624): a producer whose connection has died without a word then asks for its topics on it for ever, and every record it
is given is refused with an unknown topic.

One that closes in this very moment is lost like any other. uvloop says `RuntimeError` then, which aiokafka does not
expect: the task that keeps its metadata fresh, or its place in a group, died of it, and whoever waited for them waited
for ever.
"""

from collections.abc import Awaitable
from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

_send: Final = AIOKafkaConnection.send


def _send_or_close(connection: AIOKafkaConnection, request: object, expect_response: bool = True) -> Awaitable[Any]:
    try:
        answer: Awaitable[Any] = _send(connection, request, expect_response)
    except RuntimeError as error:
        connection.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(str(error)) from error
    return _answered(connection, answer) if expect_response else answer


async def _answered(connection: AIOKafkaConnection, answer: Awaitable[Any]) -> Any:  # noqa: ANN401 - aiokafka's own
    try:
        return await answer
    except TimeoutError:
        connection.close(reason=CloseReason.CONNECTION_TIMEOUT)
        raise


AIOKafkaConnection.send = _send_or_close
