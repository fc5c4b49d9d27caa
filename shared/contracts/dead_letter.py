"""A record nobody could work with: `sluice.dead-letters.v1`. The record's own bytes are kept, so it can be replayed."""

import base64
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BeforeValidator, PlainSerializer

from shared.contracts.base import WireModel

__all__ = ["DeadLetter", "DeadLetterReason"]


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
    """A defect in Sluice met it several times."""


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
    code: str | None = None
    tenant: str | None = None
    service: str
    failed_at: AwareDatetime
