"""May this deployment serve this job? The rules of the configuration, and why one keeps it away. Pure."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from services.router_worker.routing.asked import Asked
from shared.config.rules import Rule, Selection

__all__ = ["Place", "in_force", "keeps_away"]


class Place(Protocol):
    """Where a job could be served."""

    @property
    def name(self) -> str: ...

    @property
    def provider(self) -> str: ...

    @property
    def region(self) -> str | None: ...


def in_force(rules: Sequence[Rule], asked: Asked) -> tuple[Rule, ...]:
    """Those that hold for this job: of the ones that name models, only those that name its own best."""
    met = [(_nearness(rule.models, asked.model), rule) for rule in rules if _meets(rule, asked)]
    nearest = max((near for near, rule in met if rule.models and near), default=None)
    return tuple(rule for near, rule in met if not rule.models or (near is not None and near == nearest))


def keeps_away(rules: Sequence[Rule], place: Place) -> str | None:
    """Why one of these rules, all of them in force, keeps the place from the job; None when none does."""
    for rule in rules:
        if rule.only is not None and not _selects(rule.only, place):
            return f"the rule {rule.name!r} allows others only"
        if rule.never is not None and _selects(rule.never, place):
            return f"the rule {rule.name!r} forbids it"
    return None


def _meets(rule: Rule, asked: Asked) -> bool:
    return (
        (not rule.tenants or asked.tenant in rule.tenants)
        and (not rule.teams or asked.team in rule.teams)
        and _says(asked.metadata, rule.metadata)
        and _says(asked.labels, rule.labels)
        and (not rule.uses or not asked.uses.isdisjoint(rule.uses))
        and (rule.input_above is None or asked.input_tokens > rule.input_above)
        and (rule.input_up_to is None or asked.input_tokens <= rule.input_up_to)
    )


def _says(said: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(said.get(name) == value for name, value in wanted.items())


def _nearness(patterns: Sequence[str], name: str) -> tuple[bool, int] | None:
    """How well the best of the patterns names it: exactly, or by how long a prefix."""
    fitting = [(not pattern.endswith("*"), len(pattern)) for pattern in patterns if _fits(pattern, name)]
    return max(fitting, default=None)


def _selects(selection: Selection, place: Place) -> bool:
    ways = (
        (selection.deployments, place.name),
        (selection.providers, place.provider),
        (selection.regions, place.region),
    )
    return all(
        name is not None and any(_fits(pattern, name) for pattern in patterns) for patterns, name in ways if patterns
    )


def _fits(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
