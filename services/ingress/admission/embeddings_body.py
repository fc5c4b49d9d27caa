"""What Sluice reads of a request for embeddings. Everything else is the provider's business."""

from collections.abc import Callable
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

from services.ingress.admission.chat_body import Text

__all__ = ["EmbeddingsBody"]

_MOST_INPUTS: Final = 2048

Passage = Annotated[StrictStr, Field(min_length=1)]
Token = Annotated[StrictInt, Field(ge=0)]
Tokens = Annotated[list[Token], Field(min_length=1, fail_fast=True)]


def _in_one_sentence(value: object, read: Callable[[object], object]) -> object:
    """Instead of what is wrong with each of the kinds that it might be."""
    try:
        return read(value)
    except ValidationError:
        raise PydanticCustomError(
            "input_type", f"expected a text, tokens, or 1 to {_MOST_INPUTS} of either, none of them empty"
        ) from None


Input = (
    Passage
    | Annotated[list[Passage], Field(min_length=1, max_length=_MOST_INPUTS, fail_fast=True)]
    | Tokens
    | Annotated[list[Tokens], Field(min_length=1, max_length=_MOST_INPUTS, fail_fast=True)]
)


class EmbeddingsBody(BaseModel):
    """The body of `POST /v1/embeddings` as OpenAI defines it. Unknown fields reach the provider as they are."""

    model_config = ConfigDict(frozen=True, extra="allow")

    model: Annotated[StrictStr, Field(min_length=1, max_length=256)]
    """One of `GET /v1/models`."""
    input: Annotated[Input, WrapValidator(_in_one_sentence)]
    """A text, the tokens of one, or up to 2048 of either."""
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[StrictInt, Field(ge=1)] | None = None
    metadata: Annotated[dict[Annotated[str, Field(max_length=64)], Text], Field(max_length=16)] | None = None
    """Tags of the job's ledger rows, which the provider does not see; `feature` is a dimension of its own."""
    user: Text | None = None
