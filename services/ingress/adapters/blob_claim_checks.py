"""The claim checks of `ports`, on the store that workers collect from."""

from datetime import timedelta
from typing import Final

from pydantic_core import to_json

from services.ingress.ports import Dependency, UnavailableError
from shared.blobs import BlobMissingError, Blobs, BlobsAwayError, Part, blob_key, with_answer
from shared.contracts import Job, JobEnded, JobError

__all__ = ["BlobClaimChecks"]

_MARGIN: Final = timedelta(hours=1)
"""A body outlives its job's deadline by so much: no record is redelivered later than that."""

_GONE: Final = JobError(
    status_code=500,
    message="The answer was too large for the job log, and the blob store has it no longer.",
    type="server_error",
    code="answer_gone",
)


class BlobClaimChecks:
    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def leave(self, job: Job) -> Job:
        key = blob_key(job.deadline + _MARGIN, job.tenant, job.id, Part.REQUEST)
        try:
            blob = await self._blobs.leave(key, to_json(job.body))
        except BlobsAwayError as error:
            raise UnavailableError(Dependency.BLOBS, str(error)) from error
        return job.model_copy(update={"body": {}, "body_blob": blob})

    async def whole(self, ended: JobEnded) -> JobEnded:
        try:
            return await with_answer(self._blobs, ended)
        except BlobMissingError:
            return ended.model_copy(update={"response_blob": None, "error": ended.error or _GONE})
        except BlobsAwayError as error:
            raise UnavailableError(Dependency.BLOBS, str(error)) from error
