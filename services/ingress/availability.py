"""Can a model be served now? From what the workers told lately of their deployments."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.config.schema import Model
from shared.load import DeploymentHealth, WorkerLoad

__all__ = ["Availability", "Available", "ModelHealth"]


class Available(StrEnum):
    YES = "available"
    BY_FALLBACK = "fallback"
    """None of its own deployments is called just now; another model would answer."""
    NOT_NOW = "unavailable"
    """A job would wait until `retry_at`, if its deadline is later, or fail."""
    UNKNOWN = "unknown"
    """No worker has told."""


@dataclass(frozen=True, slots=True)
class ModelHealth:
    status: Available
    retry_at: datetime | None = None
    """When the first of its own deployments may be called again."""


class Availability:
    """Never blocks and never raises. Somebody has to keep telling it what the workers tell."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        self._models = models
        self._seen: Mapping[str, Collection[DeploymentHealth]] = {}

    def take(self, models: Mapping[str, Model]) -> None:
        """As they are configured from now on."""
        self._models = models

    def told(self, workers: Collection[WorkerLoad]) -> None:
        seen: dict[str, list[DeploymentHealth]] = {}
        for worker in workers:
            for name, health in worker.deployments.items():
                seen.setdefault(name, []).append(health)
        self._seen = seen

    def unknown(self) -> None:
        self._seen = {}

    def of(self, model: str, now: datetime) -> ModelHealth:
        section = self._models.get(model)
        free_at = self._free_at(model, section, now) if section is not None else None
        if section is None or free_at is None:
            return ModelHealth(Available.UNKNOWN)
        if free_at <= now:
            return ModelHealth(Available.YES)
        for each in (*section.fallbacks_for.outage, *section.fallbacks):
            others = self._free_at(each, self._models[each], now)
            if others is not None and others <= now:
                return ModelHealth(Available.BY_FALLBACK, free_at)
        return ModelHealth(Available.NOT_NOW, free_at)

    def _free_at(self, name: str, model: Model, now: datetime) -> datetime | None:
        """When a worker may first call one of them; None while nobody can tell."""
        told = [
            max(health.until or now, now)
            for each in model.deployments
            for health in self._seen.get(f"{each.provider}/{each.model or name}", ())
        ]
        return min(told, default=None)
