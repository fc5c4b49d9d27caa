"""What every message on the wire has in common: it is frozen, versioned and read tolerantly.

A contract may gain an optional field within its version; a reader ignores what it does not know. Anything else is a new
version with its own golden bytes under `tests/wire/`.
"""

from pydantic import BaseModel, ConfigDict, JsonValue

__all__ = ["JsonObject", "WireModel"]

JsonObject = dict[str, JsonValue]
"""Somebody else's JSON that passes through Sluice unread, such as the request a provider gets."""


class WireModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_bytes="utf8")

    def to_bytes(self) -> bytes:
        """Compact UTF-8 JSON without line breaks; absent optional fields are left out."""
        return self.model_dump_json(exclude_none=True).encode()
