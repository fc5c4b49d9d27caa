"""Who could serve a model, and in which order are they asked? Pure: the configuration in, a plan out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from services.router_worker.failures import Unsupported
from services.router_worker.routing.odds import Lot, Odds
from services.router_worker.routing.strategies import STRATEGIES
from shared.config.schema import Config, Deployment, Model, Timeouts

__all__ = ["Candidate", "Plan", "Skipped", "plan"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A deployment with everything a call to it needs to know, its provider's account aside."""

    name: str
    provider: str
    """The provider's name in the configuration."""
    model: str
    """The id that the provider is asked for."""
    serves: str
    """The model of ours that it answers for: the one asked for, or a fallback."""
    timeouts: Timeouts
    region: str | None = None
    weight: int = 1
    prefill: bool = False
    """Whether it goes on behind a last message of the assistant."""


@dataclass(frozen=True, slots=True)
class Skipped:
    name: str
    reason: str
    lacks: Unsupported | None = None
    """Where the request is the reason."""


@dataclass(frozen=True, slots=True)
class Plan:
    candidates: tuple[Candidate, ...]
    skipped: tuple[Skipped, ...] = ()


def _takes_all(_: Candidate) -> None:
    return None


def _unseen(candidate: Candidate) -> Odds:
    return Odds(candidate.weight)


def plan(
    config: Config,
    model: str,
    lot: Lot,
    lacks: Callable[[Candidate], Unsupported | None] = _takes_all,
    odds: Callable[[Candidate], Odds] = _unseen,
) -> Plan:
    """The model's deployments as its strategy orders them, then those of its fallbacks, each deployment once.

    `lacks` says what of the request a candidate could not be asked for: then it is left out. `odds` says what is known
    of one. A model that the configuration no longer knows gives an empty plan.
    """
    if model not in config.models:
        return Plan((), (Skipped(model, "no such model in the configuration"),))
    candidates: dict[str, Candidate] = {}
    skipped: list[Skipped] = []
    for candidate in _all(config, model, lot, odds):
        if earlier := candidates.get(candidate.name):
            skipped.append(Skipped(candidate.name, f"already planned for {earlier.serves}"))
        elif lacking := lacks(candidate):
            skipped.append(Skipped(candidate.name, str(lacking), lacking))
        else:
            candidates[candidate.name] = candidate
    return Plan(tuple(candidates.values()), tuple(skipped))


def _all(config: Config, model: str, lot: Lot, odds: Callable[[Candidate], Odds]) -> Iterator[Candidate]:
    for name in (model, *config.models[model].fallbacks):
        section = config.models[name]
        candidates = [_candidate(config, name, section, deployment) for deployment in section.deployments]
        for index in STRATEGIES[section.strategy]([odds(candidate) for candidate in candidates], lot):
            yield candidates[index]


def _candidate(config: Config, name: str, model: Model, deployment: Deployment) -> Candidate:
    return Candidate(
        name=config.deployment_name(name, deployment),
        provider=deployment.provider,
        model=deployment.model or name,
        serves=name,
        timeouts=deployment.timeouts or model.timeouts or config.timeouts,
        region=deployment.region,
        weight=deployment.weight,
        prefill=config.providers[deployment.provider].quirks.prefill,
    )
