"""How things are named: UUIDv7 ids that sort by time, and attempt ids that anyone can derive again."""

import hashlib
import os
import re
import time
from typing import NewType
from uuid import UUID

__all__ = [
    "AttemptId",
    "JobId",
    "attempt_id",
    "completion_id",
    "derived_job_id",
    "job_id_of_completion",
    "job_unix_ms",
    "new_id",
    "new_job_id",
    "parse_job_id",
]

JobId = NewType("JobId", str)
"""`job_` and the 32 hex digits of a UUIDv7."""

AttemptId = NewType("AttemptId", str)
"""`<job id>.<number, from 1>`: the same call always has the same name, which makes the ledger idempotent."""

_JOB_ID = re.compile(r"job_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}")


def new_job_id() -> JobId:
    return JobId(new_id("job"))


def new_id(kind: str) -> str:
    return f"{kind}_{_uuid7(time.time_ns() // 1_000_000, os.urandom(10)).hex}"


def derived_job_id(unix_ms: int, *facts: str) -> JobId:
    """The id of a job that is accepted again after a crash: equal facts give the equal id.

    `facts` must name the submission within its tenant, for example topic, partition and offset of its record.
    """
    digest = hashlib.sha256("\x1f".join(facts).encode("utf-8", "surrogatepass")).digest()
    return JobId(f"job_{_uuid7(unix_ms, digest[:10]).hex}")


def parse_job_id(text: str) -> JobId | None:
    return JobId(text) if _JOB_ID.fullmatch(text) else None


def job_unix_ms(job: JobId) -> int:
    """When the job was accepted, in milliseconds since the epoch."""
    return int(job[4:16], 16)


def attempt_id(job: JobId, number: int) -> AttemptId:
    return AttemptId(f"{job}.{number}")


def completion_id(job: JobId) -> str:
    """The `id` an OpenAI client sees; the job can be found from it."""
    return "chatcmpl-" + job.removeprefix("job_")


def job_id_of_completion(completion: str) -> JobId | None:
    return parse_job_id("job_" + completion.removeprefix("chatcmpl-"))


def _uuid7(unix_ms: int, entropy: bytes) -> UUID:
    """RFC 9562, section 5.7: 48 bits of milliseconds, then version, variant and 74 bits of entropy."""
    bits = (unix_ms & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(entropy, "big")
    bits = bits & ~(0xF << 76) | 0x7 << 76
    bits = bits & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=bits)
