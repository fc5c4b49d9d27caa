"""What is known of the models that are served: by the configuration, else by the catalogue."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from services.ingress.admission import HouseRules, ModelFacts, Spans
from shared import catalog
from shared.config.schema import Config, Model

__all__ = ["ServedModels"]


class ServedModels:
    """All by name. The same objects as long as the process lives: what changes, changes in them."""

    def __init__(self, config: Config) -> None:
        self.known: dict[str, ModelFacts] = {}
        self.reachable: dict[str, ModelFacts] = {}
        """With all that may answer in a model's place."""
        self.catalogued: dict[str, catalog.ModelFacts] = {}
        """How its tokens are counted. Those of models that are gone stay: a request may be on its way."""
        self.take(config)

    def take(self, config: Config) -> None:
        catalogued = {name: _catalogued(name, model) for name, model in config.models.items()}
        known = {name: _facts(model, catalogued[name]) for name, model in config.models.items()}
        self.catalogued |= catalogued
        _become(self.known, known)
        _become(self.reachable, {name: _reachable(config, name, known) for name in known})

    def house_rules(self, config: Config) -> HouseRules:
        spans = Spans(config.job_time, timedelta(seconds=config.limits.schedule_seconds))
        return HouseRules(self.reachable, spans, config.on_interrupt)


def _become(standing: dict[str, ModelFacts], fresh: Mapping[str, ModelFacts]) -> None:
    standing.clear()
    standing.update(fresh)


def _catalogued(name: str, model: Model) -> catalog.ModelFacts:
    """By its own name, else by that of the first deployment which the catalogue knows."""
    names = [name, *(deployment.model for deployment in model.deployments if deployment.model)]
    found = [catalog.find(each) for each in names]
    return next((facts for facts in found if facts.family), found[0])


def _reachable(config: Config, name: str, models: Mapping[str, ModelFacts]) -> ModelFacts:
    """With the widest window of those that may serve it: what does not fit into one, the plan leaves to another."""
    windows: list[int | None] = []
    section = config.models[name]
    for each in (name, *section.fallbacks_for.context_too_long, *section.fallbacks):
        windows += [one.context_window or models[each].context_window for one in config.models[each].deployments]
    widest = None if None in windows else max(window for window in windows if window is not None)
    return replace(models[name], context_window=widest)


def _facts(model: Model, known: catalog.ModelFacts) -> ModelFacts:
    return ModelFacts(
        context_window=model.context_window or known.context_window,
        max_output_tokens=model.max_output_tokens or known.max_output_tokens,
        embeds=known.embeds,
    )
