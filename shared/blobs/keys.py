"""What is a blob called? `<hour of its removal>/<tenant>/<job>/<part>`. Pure.

The hour comes first so that one listing of the top says what may go, and nothing has to be looked up to know it.
"""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from shared.ids import JobId

__all__ = ["Part", "blob_key", "may_go"]

_HOUR: Final = "%Y-%m-%dT%H"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]")


class Part(StrEnum):
    REQUEST = "request"
    RESPONSE = "response"


def blob_key(kept_until: datetime, tenant: str, job: JobId, part: Part, epoch: int = 0) -> str:
    """The tenant's name is made fit for any file system; the job's id alone tells blobs apart.

    Each epoch of a job has an answer of its own: that of a worker who was overtaken must not replace the winner's.
    """
    hour = (kept_until.astimezone(UTC) + timedelta(minutes=59, seconds=59)).strftime(_HOUR)
    name = f"{part}-{epoch}" if epoch else part
    return f"{hour}/{_UNSAFE.sub('_', tenant)}/{job}/{name}"


def may_go(folder: str, now: datetime) -> bool:
    """Whether everything below this folder of the top is past its time. What is not ours never is."""
    try:
        hour = datetime.strptime(folder, _HOUR).replace(tzinfo=UTC)
    except ValueError:
        return False
    return hour <= now
