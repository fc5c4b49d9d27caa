"""A record nobody could work with: `sluice.dead-letters.v1`. The record's own bytes are kept, so it can be replayed."""

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, ConfigDict

from shared.contracts.base import WireModel

__all__ = ["DeadLetter", "DeadLetterReason"]


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
    """`key` and `value` are base64 on the wire."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    schema_version: Literal[1] = 1
    topic: str
    partition: int
    offset: int
    key: bytes | None = None
    value: bytes
    headers: tuple[tuple[str, str], ...] = ()
    reason: DeadLetterReason
    message: str
    code: str | None = None
    tenant: str | None = None
    service: str
    failed_at: AwareDatetime
