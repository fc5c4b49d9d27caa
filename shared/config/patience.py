"""What may the operator say about waiting for providers, asking them again, and leaving them alone?"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator

__all__ = ["Breaker", "Bulkhead", "Hedge", "Retries", "Seconds", "Timeouts"]

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class Timeouts(BaseModel):
    """How long an attempt may take in each phase. All of them end at the job's deadline at the latest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connect_seconds: Seconds = 5
    first_token_seconds: Seconds = 60
    """From the call to its first output, where the answer is streamed."""
    between_tokens_seconds: Seconds = 30
    """The longest silence inside a stream; a provider's keep-alive comments do not count as a word."""
    slowest_tokens_per_second: Annotated[float, Field(gt=0, le=10_000)] | None = None
    """A stream that comes more slowly is given up, once it has begun; none when left out. Averaged over
    `between_tokens_seconds` and more."""
    total_seconds: Seconds = 600
    """The whole attempt."""


class Retries(BaseModel):
    """The journey's patience with one deployment, before it goes to the next."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_deployment: NonNegativeInt = 2
    """How often one is asked again in a round of the plan."""
    pauses: Literal["full-jitter", "exponential", "fixed"] = "full-jitter"
    """How long the pauses before that are.

    `fixed`: `base_delay_seconds` each; `exponential`: these, doubled with every failure; `full-jitter`: a random part
    of that, so that jobs which failed together do not come back together.
    """
    base_delay_seconds: Seconds = 0.5
    max_delay_seconds: Seconds = 20
    """No pause is longer, unless the provider asks for it."""
    rounds: PositiveInt = 2
    """How many times the whole plan is walked through before the job fails."""


class Breaker(BaseModel):
    """When a deployment is left alone: after so many failures in a row, or so large a part of its calls.

    Only failures that speak against the deployment count, not those of a request, of a key, or of a rate.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    failures_in_a_row: PositiveInt | None = 5
    failure_rate: Annotated[float, Field(gt=0, le=1)] | None = 0.5
    """Of the calls in `window_seconds`, if there were `least_calls` of them."""
    window_seconds: Seconds = 30
    least_calls: PositiveInt = 20
    open_seconds: Seconds = 5
    """How long it is left alone the first time; twice as long each time that it then fails again."""
    most_open_seconds: Seconds = 30
    probes: PositiveInt = 2
    """So many calls at once try it afterwards, in each worker. As many answers, and it is trusted again."""

    @model_validator(mode="after")
    def _opens_by_something(self) -> Self:
        if self.failures_in_a_row is None and self.failure_rate is None:
            raise ValueError("needs `failures_in_a_row` or `failure_rate`; `breaker: null` switches it off")
        return self


class Bulkhead(BaseModel):
    """How much of a worker one deployment may take."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calls: PositiveInt
    """At once, in each worker."""
    wait_seconds: Annotated[float, Field(ge=0, le=86_400)] = 5
    """How long a job waits there for its turn before it goes to a fallback model, if it has one."""


class Hedge(BaseModel):
    """A second deployment is asked beside one that is slow to begin; who begins first is heard, the other is stopped.

    For streams of the interactive lane. Slow is longer than 95 of the last 100 answers took. Both calls are charged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    most_share: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Of the calls that may be made twice."""
    least_seconds: Annotated[float, Field(ge=0, le=86_400)] = 0.2
    """Never sooner than that."""
