"""Where something lies that is too large for a record: the record carries this instead (a claim check)."""

from pydantic import NonNegativeInt

from shared.contracts.base import WireModel

__all__ = ["BlobRef"]


class BlobRef(WireModel):
    key: str
    """In the blob store. Begins with the hour from which on it may be removed."""
    size: NonNegativeInt
    """In bytes: what is shorter is not whole."""
