"""What Sluice reads of a chat completion request. Everything else is the provider's business."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr

__all__ = ["ChatBody"]

Text = Annotated[StrictStr, Field(max_length=512)]


class ChatBody(BaseModel):
    """The body of `POST /v1/chat/completions` as OpenAI defines it. Unknown fields reach the provider as they are."""

    model_config = ConfigDict(frozen=True, extra="allow")

    model: Annotated[StrictStr, Field(min_length=1, max_length=256)]
    """One of `GET /v1/models`."""
    messages: Annotated[list[dict[str, object]], Field(min_length=1)]
    stream: StrictBool | None = None
    n: Annotated[StrictInt, Field(ge=1, le=128)] | None = None
    max_tokens: Annotated[StrictInt, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[StrictInt, Field(ge=1)] | None = None
    metadata: Annotated[dict[Annotated[str, Field(max_length=64)], Text], Field(max_length=16)] | None = None
    """Tags of the job's ledger rows; the tag `feature` is a dimension of its own."""
    user: Text | None = None
    safety_identifier: Text | None = None

    @property
    def output_tokens(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens
