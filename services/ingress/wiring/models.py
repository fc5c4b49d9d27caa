"""What is known of the models that are served: by the configuration, else by the catalogue."""

from collections.abc import Mapping
from dataclasses import replace

from services.ingress.admission import ModelFacts
from shared import catalog
from shared.config.schema import Config, Model

__all__ = ["catalogued", "facts_of", "reachable"]


def catalogued(name: str, model: Model) -> catalog.ModelFacts:
    """By its own name, else by that of the first deployment which the catalogue knows."""
    names = [name, *(deployment.model for deployment in model.deployments if deployment.model)]
    found = [catalog.find(each) for each in names]
    return next((facts for facts in found if facts.family), found[0])


def reachable(config: Config, name: str, models: Mapping[str, ModelFacts]) -> ModelFacts:
    """With the widest window of those that may serve it: what does not fit into one, the plan leaves to another."""
    windows: list[int | None] = []
    section = config.models[name]
    for each in (name, *section.fallbacks_for.context_too_long, *section.fallbacks):
        windows += [one.context_window or models[each].context_window for one in config.models[each].deployments]
    widest = None if None in windows else max(window for window in windows if window is not None)
    return replace(models[name], context_window=widest)


def facts_of(model: Model, known: catalog.ModelFacts) -> ModelFacts:
    return ModelFacts(
        context_window=model.context_window or known.context_window,
        max_output_tokens=model.max_output_tokens or known.max_output_tokens,
    )
