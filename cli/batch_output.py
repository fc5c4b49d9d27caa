"""A result as a line of OpenAI's batch output file: platform.openai.com/docs/guides/batch, *Retrieving the results*."""

from shared.contracts import JobEnded, JobStatus, JsonObject

__all__ = ["batch_line"]

_CODES = {
    JobStatus.FAILED: "job_failed",
    JobStatus.CANCELLED: "batch_cancelled",
    JobStatus.EXPIRED: "batch_expired",
}


def batch_line(ended: JobEnded) -> JsonObject:
    """An answer of the provider, good or bad, is a `response`; a job that got none has an `error`.

    `id` and `request_id` are the job's id.
    """
    response: JsonObject | None = None
    error: JsonObject | None = None
    if ended.response_blob is not None:
        error = {"code": "answer_gone", "message": "The answer was too large for a record, and cannot be had any more."}
    elif ended.status is JobStatus.SUCCEEDED:
        response = {"status_code": 200, "request_id": ended.job_id, "body": ended.response}
    elif ended.status is JobStatus.FAILED and ended.error is not None:
        told = ended.error.model_dump(mode="json", exclude={"status_code"})
        response = {"status_code": ended.error.status_code, "request_id": ended.job_id, "body": {"error": told}}
    else:
        message = ended.error.message if ended.error else f"The job has {ended.status.value}."
        error = {"code": _CODES[ended.status], "message": message}
    return {"id": ended.job_id, "custom_id": ended.custom_id, "response": response, "error": error}
