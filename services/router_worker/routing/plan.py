"""Who could serve a job, and in which order are they asked? Pure: the configuration and the job in, a plan out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from services.router_worker.failures import Cause, Failure, FailureKind, Unsupported
from services.router_worker.routing.asked import Asked
from services.router_worker.routing.odds import Lot, Odds
from services.router_worker.routing.rules import in_force, keeps_away
from services.router_worker.routing.strategies import STRATEGIES
from shared import catalog
from shared.config.schema import Config, Deployment, Model, Timeouts
from shared.contracts import Endpoint

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
    context_window: int | None = None
    """Tokens of input and output together; None when nobody knows."""
    after: frozenset[Cause] = frozenset()
    """Only to be asked when one of these has happened; empty where it may be asked anyway."""


@dataclass(frozen=True, slots=True)
class Skipped:
    name: str
    reason: str
    failure: Failure | None = None
    """What the job fails with if nobody is left."""
    serves: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    candidates: tuple[Candidate, ...]
    skipped: tuple[Skipped, ...] = ()
    model: str = ""
    """The one asked for."""
    strategy: str = ""
    """By which its own deployments stand in this order."""


def _takes_all(_: Candidate) -> None:
    return None


def _unseen(candidate: Candidate) -> Odds:
    return Odds(candidate.weight)


def plan(
    config: Config,
    asked: Asked,
    lot: Lot,
    lacks: Callable[[Candidate], Unsupported | None] = _takes_all,
    odds: Callable[[Candidate], Odds] = _unseen,
) -> Plan:
    """The model's deployments as its strategy orders them, then those of its fallbacks, each deployment once.

    Whom a rule keeps away, whose context window is too small and who could not be asked for all of the request (which
    `lacks` says) is left out, with the reason. `odds` says what is known of a candidate. A model that the configuration
    no longer knows gives an empty plan.
    """
    if asked.model not in config.models:
        return Plan((), (Skipped(asked.model, "no such model in the configuration", serves=asked.model),))
    rules = in_force(config.rules, asked)

    def skip(candidate: Candidate) -> tuple[str, Failure | None] | None:
        if (earlier := candidates.get(candidate.name)) and earlier.serves != candidate.serves:
            return f"already planned for {earlier.serves}", None
        if reason := keeps_away(rules, candidate):
            return reason, Failure(FailureKind.FORBIDDEN, "No deployment of this model may serve this request.")
        if short := _too_short(candidate, asked):
            return short.message, short
        if lacking := lacks(candidate):
            return str(lacking), lacking.failure
        return None

    candidates: dict[str, Candidate] = {}
    skipped: list[Skipped] = []
    for candidate in _all(config, asked.model, lot, odds):
        if why := skip(candidate):
            skipped.append(Skipped(candidate.name, *why, serves=candidate.serves))
        else:
            candidates[candidate.name] = _merged(candidates.get(candidate.name), candidate)
    strategy = config.models[asked.model].strategy
    return Plan(tuple(candidates.values()), tuple(skipped), asked.model, strategy)


def _merged(earlier: Candidate | None, candidate: Candidate) -> Candidate:
    """One that is a fallback for several reasons, in its first place."""
    if earlier is None:
        return candidate
    return replace(earlier, after=earlier.after | candidate.after if earlier.after and candidate.after else frozenset())


def _too_short(candidate: Candidate, asked: Asked) -> Failure | None:
    needs, window = asked.input_tokens + max(asked.output_tokens, 1), candidate.context_window
    if window is None or needs <= window or asked.endpoint is Endpoint.EMBEDDINGS:
        return None  # of embeddings each text has a window of its own
    return Failure(
        FailureKind.CONTEXT_TOO_LONG,
        f"The context window has {window} tokens, and {asked.input_tokens} of input with {asked.output_tokens} of "
        "output do not fit into it.",
    )


def _all(config: Config, model: str, lot: Lot, odds: Callable[[Candidate], Odds]) -> Iterator[Candidate]:
    for name, after in _models(config.models[model], model):
        section = config.models[name]
        candidates = [_candidate(config, name, section, deployment, after) for deployment in section.deployments]
        for index in STRATEGIES[section.strategy]([odds(candidate) for candidate in candidates], lot):
            yield candidates[index]


def _models(section: Model, name: str) -> Iterator[tuple[str, frozenset[Cause]]]:
    """The model itself, then its fallbacks: those for one kind of failure before those for all."""
    yield name, frozenset()
    named = section.fallbacks_for
    for cause, fallbacks in (
        (Cause.CONTEXT_TOO_LONG, named.context_too_long),
        (Cause.CONTENT_FILTER, named.content_filter),
        (Cause.OUTAGE, named.outage),
    ):
        yield from ((each, frozenset({cause})) for each in fallbacks)
    yield from ((each, frozenset()) for each in section.fallbacks)


def _candidate(config: Config, name: str, model: Model, deployment: Deployment, after: frozenset[Cause]) -> Candidate:
    return Candidate(
        name=config.deployment_name(name, deployment),
        provider=deployment.provider,
        model=deployment.model or name,
        serves=name,
        timeouts=deployment.timeouts or model.timeouts or config.timeouts,
        region=deployment.region,
        weight=deployment.weight,
        prefill=config.providers[deployment.provider].quirks.prefill,
        context_window=deployment.context_window
        or model.context_window
        or _catalogued(name)
        or _catalogued(deployment.model or name),
        after=after,
    )


@lru_cache(maxsize=4096)
def _catalogued(name: str) -> int | None:
    return catalog.find(name).context_window
