"""An end whose answer was left in the store, made whole again."""

from pydantic_core import from_json

from shared.blobs.store import Blobs
from shared.contracts import JobEnded

__all__ = ["with_answer"]


async def with_answer(blobs: Blobs, ended: JobEnded) -> JobEnded:
    """Raises BlobMissingError and BlobsAwayError. Does nothing to an end that has its answer, or has none."""
    if ended.response_blob is None:
        return ended
    content = await blobs.collect(ended.response_blob)
    return ended.model_copy(update={"response_blob": None, "response": from_json(content)})
