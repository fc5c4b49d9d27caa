"""What may the operator say about who serves which job? Rules with conditions, and whom to ask when a model fails."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from shared.config.names import Name

__all__ = ["FallbacksFor", "Rule", "Selection", "Use"]

Pattern = Annotated[str, Field(pattern=r"^[^*]*\*?$", min_length=1)]
"""A name, or the beginning of several with a `*` behind it."""


class Use(StrEnum):
    """What a request can make use of."""

    TOOLS = "tools"
    IMAGES = "images"
    AUDIO = "audio"
    FILES = "files"
    JSON_SCHEMA = "json_schema"
    STREAM = "stream"


class Selection(BaseModel):
    """Some of the deployments: those that fit in each of the ways named here, by one of its patterns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deployments: tuple[Pattern, ...] = ()
    providers: tuple[Pattern, ...] = ()
    regions: tuple[Pattern, ...] = ()
    """A deployment that has no region fits none."""

    @model_validator(mode="after")
    def _selects_something(self) -> Self:
        if not (self.deployments or self.providers or self.regions):
            raise ValueError("needs `deployments`, `providers` or `regions`")
        return self


class Rule(BaseModel):
    """Holds for the jobs that meet every condition named here; without one, for all.

    All rules that hold count, with one exception: of those that name models, only the ones that name the job's best
    count, an exact name before a prefix and the longer prefix before the shorter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    """Stands in the plan of every job that it keeps from a deployment."""
    models: tuple[Pattern, ...] = ()
    """The model asked for: one of these; a trailing `*` matches any ending."""
    tenants: tuple[Name, ...] = ()
    teams: tuple[Name, ...] = ()
    metadata: dict[str, str] = {}
    """What the request's `metadata` says, all of it."""
    labels: dict[str, str] = {}
    """What the header `x-sluice-route: region=eu, tier=gold` says, all of it (`sluice-route` on a record)."""
    uses: tuple[Use, ...] = ()
    """What the request makes use of, one of these. Of a body too large for a record, nothing of this is known."""
    input_above: PositiveInt | None = None
    """Tokens of input, more than these."""
    input_up_to: PositiveInt | None = None
    """Tokens of input, at most these."""
    only: Selection | None = None
    """None but these may serve the job."""
    never: Selection | None = None
    """These may not."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.only is None and self.never is None:
            raise ValueError("needs `only` or `never`")
        return self


class FallbacksFor(BaseModel):
    """Models to go on with after one kind of failure only; they come before the `fallbacks` for all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    outage: tuple[str, ...] = ()
    """Nobody there, too slow, overloaded, at a limit, refusing the account: whatever is not the request's own fault."""
    context_too_long: tuple[str, ...] = ()
    """The request is too long or too large; also when that is known before anybody is asked."""
    content_filter: tuple[str, ...] = ()
    """A provider's filter refused it."""
