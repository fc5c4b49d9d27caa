"""What does a record say? Its contract's message, or the reason why nobody can tell."""

import re
from collections.abc import Callable
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from services.accounting.charging import AttemptFields, minute_of
from services.accounting.ports import UnreadableError
from shared.contracts import DeadLetterReason, Job, JobEnded
from shared.ids import parse_job_id

__all__ = ["read_end", "read_job", "read_usage"]

Message = TypeVar("Message")

_attempt: Final = TypeAdapter(AttemptFields)

_ESCAPED_NUL: Final = rb"\u0000"
_NUL: Final = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
"""An odd number of backslashes before `u0000`; with an even one it is the text `\\u0000` itself."""


def read_usage(value: bytes) -> AttemptFields:
    """Raises UnreadableError, also when the event's ids contradict each other: they are the key of the ledger. And when
    its call began in no moment that exists: its price goes by that. The other moments PostgreSQL looks at.
    """
    event = _read(_attempt.validate_json, value)
    job, attempt = event["job_id"], event["attempt"]
    if parse_job_id(job) is None or event["attempt_id"] != f"{job}.{attempt}":
        ids = f"attempt_id {event['attempt_id']!r}, job_id {job!r}, attempt {attempt}"
        raise UnreadableError(DeadLetterReason.SCHEMA, f"the ids contradict each other: {ids}")
    try:
        minute_of(event["started_at"])
    except ValueError as error:
        raise UnreadableError(DeadLetterReason.SCHEMA, f"no such moment: {error}") from error
    return event


def read_job(value: bytes) -> Job:
    """Raises UnreadableError."""
    return _read(Job.model_validate_json, value)


def read_end(value: bytes) -> JobEnded:
    """Raises UnreadableError."""
    return _read(JobEnded.model_validate_json, value)


def _read(validated: Callable[[bytes], Message], value: bytes) -> Message:
    # PostgreSQL's text has no NUL, and a caller may put one into a label: it must not make an attempt free of charge.
    if _ESCAPED_NUL in value:
        value = _NUL.sub(rb"\1\\ufffd", value)
    try:
        return validated(value)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        undecodable = problem["type"] == "json_invalid"
        where = ".".join(map(str, problem["loc"]))
        raise UnreadableError(
            DeadLetterReason.UNDECODABLE if undecodable else DeadLetterReason.SCHEMA,
            f"{where}: {problem['msg']}" if where else problem["msg"],
        ) from error
