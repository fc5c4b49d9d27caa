"""A record nobody could work with: `sluice.dead-letters.v1`. The record's own bytes are kept, so it can be replayed.

The key of a letter is its origin. Kafka deletes no single record, so what an operator decides about a letter is a
record too: one with the same key and without a value, and the decision in a header. A letter is open while no decision
stands behind it. The topic is compacted, and a record without a value lets the broker remove those before it as well.
"""

import base64
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BeforeValidator, PlainSerializer

from shared.contracts.base import WireModel

__all__ = ["DECISION_HEADER", "REPLAYED_HEADER", "REPLAY_OF_HEADER", "DeadLetter", "DeadLetterReason", "Decision"]

DECISION_HEADER: Final = "sluice-decision"
"""On a record without a value on the dead letters topic: a `Decision`."""

REPLAYED_HEADER: Final = "sluice-replayed"
"""On a record that was put back on its topic: how many times that has happened, this time included."""

REPLAY_OF_HEADER: Final = "sluice-replay-of"
"""On the same record: the origin of the letter that it was."""


_LEFT_BEHIND: Final = "value_too_large"


def _decoded(value: object) -> object:
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


RawBytes = Annotated[
    bytes, BeforeValidator(_decoded), PlainSerializer(_encoded, return_type=str, when_used="json-unless-none")
]
"""Base64 on the wire with the standard alphabet (pydantic's own is the URL's), so that `base64 -d` reads it."""


class DeadLetterReason(StrEnum):
    UNDECODABLE = "undecodable"
    """Not JSON, or not an object."""
    SCHEMA = "schema"
    """JSON, but not what the contract of its topic asks for."""
    REFUSED = "refused"
    """Well-formed, and admission said no: unknown model, too long, not allowed."""
    CRASHED = "crashed"
    """A defect in Sluice met it several times, or several processes died of it."""


class Decision(StrEnum):
    REPLAYED = "replayed"
    """Its record is on its topic again."""
    DROPPED = "dropped"
    """Nothing will come of it."""


class DeadLetter(WireModel):
    schema_version: Literal[1] = 1
    topic: str
    partition: int
    offset: int
    key: RawBytes | None = None
    value: RawBytes
    headers: tuple[tuple[str, str], ...] = ()
    reason: DeadLetterReason
    message: str
    stack: str | None = None
    """Where in Sluice it went wrong, where it was Sluice."""
    tries: int | None = None
    """How often somebody has tried, or died of it, before it was set aside."""
    code: str | None = None
    tenant: str | None = None
    service: str
    failed_at: AwareDatetime

    @property
    def origin(self) -> str:
        """Where the record was; the key of the letter, and its name to people."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    def without_value(self) -> "DeadLetter":
        """With its envelope a record may be larger than a broker takes. Its origin still has it, for a while."""
        return self.model_copy(update={"value": b"", "code": _LEFT_BEHIND})

    @property
    def lacks_value(self) -> bool:
        return self.code == _LEFT_BEHIND and not self.value
