"""Budgets at the door: their rules, their book in Redis, and what a job may cost."""

from collections.abc import Callable, Mapping

from redis.asyncio import Redis

from services.ingress.adapters.redis_budgets import RedisBudgets
from services.ingress.admission import ModelFacts
from services.ingress.budget_rules import BudgetRules
from services.ingress.spending import Pricing, Spending
from shared.budgets import Deployments
from shared.clock import utc_now
from shared.config.schema import Config
from shared.job_log import Keyspace

__all__ = ["pricing_of", "spending"]


def spending(
    config: Config,
    models: Mapping[str, ModelFacts],
    redis: Redis,
    keyspace: Keyspace,
    rules: BudgetRules,
) -> Spending:
    book = RedisBudgets(redis, keyspace, utc_now)
    return Spending(rules.of, book, pricing_of(config, models), config.budgets, utc_now)


def pricing_of(config: Config, models: Mapping[str, ModelFacts]) -> Callable[[], Pricing]:
    """Of what the configuration says now."""

    def pricing() -> Pricing:
        # Late: most gateways have no budgets, and the public prices are a megabyte.
        from shared.prices.genai import price_book

        return Pricing(
            price_book(config),
            Deployments(config),
            {name: _longest_answer(config, name, models) for name in models},
        )

    return pricing


def _longest_answer(config: Config, name: str, models: Mapping[str, ModelFacts]) -> int | None:
    """Of those that may serve it; None when it is not known of one of them."""
    section = config.models[name]
    kinds = type(section.fallbacks_for).model_fields
    named = (name, *section.fallbacks, *(each for kind in kinds for each in getattr(section.fallbacks_for, kind)))
    bounds = [models[each].max_output_tokens for each in named]
    return None if None in bounds else max(bound for bound in bounds if bound is not None)
