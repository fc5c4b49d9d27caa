"""What admission must know besides the request: gathered by the shell before the decision."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from services.ingress.admission.backlog import Wait
from services.ingress.admission.money import Demand
from services.ingress.admission.pace import Pace
from shared.contracts import Endpoint, Interruption, Lane
from shared.ids import JobId

__all__ = ["Facts", "HouseRules", "ModelFacts", "Spans"]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """None means unknown, and what is unknown refuses nothing."""

    context_window: int | None = None
    """Tokens of input and output together."""
    max_output_tokens: int | None = None
    embeds: bool | None = None
    """Whether it makes embeddings, and then nothing else."""

    def window_at(self, endpoint: Endpoint) -> int | None:
        """What the whole of a request must fit into. Of texts to embed each has a window of its own."""
        return None if endpoint is Endpoint.EMBEDDINGS else self.context_window


@dataclass(frozen=True, slots=True)
class Spans:
    """How far in time a job may reach."""

    longest: Mapping[Lane, timedelta]
    """From when it may begin to its deadline."""
    schedule: timedelta
    """From its acceptance to when it may begin."""


@dataclass(frozen=True, slots=True)
class HouseRules:
    """What holds for every request, by configuration."""

    models: Mapping[str, ModelFacts]
    spans: Spans
    on_interrupt: Interruption
    """For jobs that do not say it themselves."""


@dataclass(frozen=True, slots=True)
class Facts:
    job: JobId
    """The id the job will have."""
    model: ModelFacts | None
    """None when the model is not served here."""
    input_tokens: int
    """At least, when it is cut."""
    longest: timedelta
    """The deadline of a job of the request's lane that names none, and the latest it may name."""
    schedule: timedelta
    """How far ahead a job may be scheduled."""
    on_interrupt: Interruption
    """For jobs that do not say it themselves."""
    wait: Wait | None = None
    """None means unknown, and refuses nothing."""
    pace: Pace | None = None
    """None when nothing on its way has a limit."""
    demand: Demand | None = None
    """None when no hard budget binds the job."""
    input_is_cut: bool = False
    """Nobody counted on where it was far too long already."""
