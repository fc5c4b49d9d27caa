"""What a producer publishes on a submit topic: an OpenAI batch line as it stands in files, or the bare body."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.contracts.base import JsonObject
from shared.contracts.job import Endpoint

__all__ = ["BatchLine"]


class BatchLine(BaseModel):
    """`{custom_id, method, url, body}`: platform.openai.com/docs/guides/batch, *Preparing your batch file*."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    custom_id: str | None = None
    method: Literal["POST"] = "POST"
    url: Endpoint | None = None
    """When left out, what the body is for: embeddings where it has an `input` and no `messages`."""
    not_before: AwareDatetime | None = None
    """When the job may begin, with a time zone: an addition of Sluice's."""
    body: JsonObject
