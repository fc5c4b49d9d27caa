"""Do the names in a configuration mean something? What no single field can tell: references, clashes, reserved."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from shared.config.problems import did_you_mean
from shared.config.schema import Config, Deployment
from shared.topics import SUBMIT, TOPICS

__all__ = ["Known", "Wrong", "wrong_names"]

Wrong = tuple[tuple[str | int, ...], str]
"""A place in the configuration, and what is wrong there."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the router worker can do."""

    dialects: Collection[str]
    auths: Collection[str]


_RESERVED = frozenset(topic.name for topic in TOPICS) - {SUBMIT.name}


def wrong_names(config: Config, known: Known | None = None) -> tuple[Wrong, ...]:
    """`known` is what only some processes can tell, because only they have the code for it."""
    return (
        *(_of_providers(config, known) if known else ()),
        *_of_models(config),
        *_of_deployments(config),
        *_of_quotas(config),
        *_of_tenants(config),
        *_of_budgets(config),
        *_of_submit_topics(config),
        *_of_rules(config),
        *_of_prices(config),
    )


def _of_providers(config: Config, known: Known) -> Iterator[Wrong]:
    for name, provider in config.providers.items():
        yield from _known(("providers", name, "dialect"), "dialect", provider.dialect, known.dialects)
        yield from _known(("providers", name, "auth"), "way to prove who we are", provider.auth, known.auths)


def _of_models(config: Config) -> Iterator[Wrong]:
    for name, model in config.models.items():
        for index, deployment in enumerate(model.deployments):
            yield from _known(
                ("models", name, "deployments", index, "provider"), "provider", deployment.provider, config.providers
            )
        yield from _of_fallbacks(("models", name, "fallbacks"), name, model.fallbacks, config)
        for kind in type(model.fallbacks_for).model_fields:
            named: tuple[str, ...] = getattr(model.fallbacks_for, kind)
            yield from _of_fallbacks(("models", name, "fallbacks_for", kind), name, named, config)


def _of_fallbacks(section: tuple[str, ...], model: str, named: tuple[str, ...], config: Config) -> Iterator[Wrong]:
    for index, fallback in enumerate(named):
        yield from _known((*section, index), "model", fallback, config.models)
        if fallback == model:
            yield (*section, index), "a model cannot be its own fallback"


def _of_deployments(config: Config) -> Iterator[Wrong]:
    """One name means one place to call: ledger, metrics and breakers go by it."""
    meanings: dict[str, tuple[str, str]] = {}
    for name, model in config.models.items():
        seen: set[str] = set()
        for index, deployment in enumerate(model.deployments):
            called = config.deployment_name(name, deployment)
            meaning = (deployment.provider, deployment.model or name)
            place = ("models", name, "deployments", index)
            if called in seen:
                yield place, f"the deployment {called!r} is there twice; give one of them a `name`"
            elif meanings.setdefault(called, meaning) != meaning:
                yield place, f"the name {called!r} is taken by {'/'.join(meanings[called])}; give it another `name`"
            seen.add(called)


def _of_quotas(config: Config) -> Iterator[Wrong]:
    """A provider counts what one account asks of one model, whatever that place is called here; so does a bulkhead."""
    firsts: dict[tuple[str, str], tuple[Deployment, str]] = {}
    for name, model in config.models.items():
        for index, deployment in enumerate(model.deployments):
            other, first = firsts.setdefault((deployment.provider, deployment.model or name), (deployment, name))
            place = ("models", name, "deployments", index)
            if other.limits != deployment.limits:
                yield (*place, "limits"), f"other limits than the same model of this provider has under {first!r}"
            if other.bulkhead != deployment.bulkhead:
                yield (*place, "bulkhead"), f"another bulkhead than the same model of this provider has under {first!r}"


def _of_tenants(config: Config) -> Iterator[Wrong]:
    owners: dict[str, str] = {}
    for tenant, section in config.tenants.items():
        for key, caller in section.keys.items():
            owner = owners.setdefault(key, tenant)
            if owner != tenant:
                yield ("tenants", tenant, "keys", key), f"this key id is taken by the tenant {owner!r}"
            for index, model in enumerate(caller.models):
                if model != "*":
                    yield from _known(("tenants", tenant, "keys", key, "models", index), "model", model, config.models)


def _of_budgets(config: Config) -> Iterator[Wrong]:
    """A team or a key may be one of the database."""
    for tenant, section in config.tenants.items():
        seen: set[str] = set()
        for index, budget in enumerate(section.budgets):
            place = ("tenants", tenant, "budgets", index)
            if budget.name in seen:
                yield place, f"there is another budget {budget.name!r}"
            seen.add(budget.name)
            if budget.model is not None:
                yield from _known((*place, "model"), "model", budget.model, config.models)


def _of_submit_topics(config: Config) -> Iterator[Wrong]:
    for topic, bound in config.submit_topics.items():
        place = ("submit_topics", topic)
        if topic in _RESERVED:
            yield place, "this topic is Sluice's own; producers write to another one"
        if bound.tenant is None or bound.caller is None:
            continue  # its records are signed
        if bound.tenant not in config.tenants:
            yield from _known((*place, "tenant"), "tenant", bound.tenant, config.tenants)
            continue
        callers = config.tenants[bound.tenant].keys
        yield from _known((*place, "caller"), "key of this tenant", bound.caller, callers)
        if bound.caller in callers and bound.lane not in callers[bound.caller].lanes:
            yield (*place, "lane"), f"{bound.caller!r} may not use the lane {bound.lane.value!r}"


def _of_rules(config: Config) -> Iterator[Wrong]:
    """A rule that can never hold, or forbids what is not there, is a typing mistake."""
    deployments = {
        config.deployment_name(name, each): each.region
        for name, model in config.models.items()
        for each in model.deployments
    }
    regions = {region for region in deployments.values() if region is not None}
    names: set[str] = set()
    for index, rule in enumerate(config.rules):
        place: tuple[str | int, ...] = ("rules", index)
        if rule.name in names:
            yield (*place, "name"), f"there is another rule {rule.name!r}"
        names.add(rule.name)
        yield from _patterns((*place, "models"), "model", rule.models, config.models)
        for number, tenant in enumerate(rule.tenants):
            yield from _known((*place, "tenants", number), "tenant", tenant, config.tenants)
        for key, selection in (("only", rule.only), ("never", rule.never)):
            if selection is not None:
                yield from _patterns((*place, key, "deployments"), "deployment", selection.deployments, deployments)
                yield from _patterns((*place, key, "providers"), "provider", selection.providers, config.providers)
                yield from _patterns((*place, key, "regions"), "region", selection.regions, regions)


def _patterns(
    place: tuple[str | int, ...], kind: str, patterns: Collection[str], names: Collection[str]
) -> Iterator[Wrong]:
    for index, pattern in enumerate(patterns):
        if not pattern.endswith("*"):
            yield from _known((*place, index), kind, pattern, names)
        elif not any(name.startswith(pattern[:-1]) for name in names):
            yield (
                (*place, index),
                f"no {kind} begins with {pattern[:-1]!r}; known: {', '.join(sorted(names)) or 'none'}",
            )


def _of_prices(config: Config) -> Iterator[Wrong]:
    """Which of two prices counts must not depend on their order in the file."""
    seen: set[tuple[object, ...]] = set()
    for index, price in enumerate(config.prices):
        holds_for = (price.provider, price.model, price.tier, price.since)
        if holds_for in seen:
            yield ("prices", index), "there is another price for the same model, tier and day; give one of them `since`"
        seen.add(holds_for)


def _known(place: tuple[str | int, ...], kind: str, name: str, names: Collection[str]) -> Iterator[Wrong]:
    if name not in names:
        yield place, f"no {kind} {name!r}; {did_you_mean(name, names)}"
