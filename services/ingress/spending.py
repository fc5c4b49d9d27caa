"""Is there money for this job? What it may cost at most is held of every hard budget that binds it before it is queued.

Accounting drops what is held once all that the job cost is in the ledger. What is held for a job that was never queued
is given back here, or, when this process dies before it can, found and dropped by accounting.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from services.ingress.admission import Caller, CompletionRequest, Demand, ModelFacts, Refused, not_enough
from services.ingress.ports import BudgetBook, UnavailableError
from shared.budgets import BudgetRule, Deployments, Need, Use, worst_case
from shared.clock import Clock
from shared.config.budgets import Budgets
from shared.contracts import Endpoint, Job, Reserved
from shared.ids import job_unix_ms
from shared.prices import PriceBook

__all__ = ["Pricing", "Spending"]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pricing:
    """What a job may cost."""

    book: PriceBook
    deployments: Deployments
    longest_answers: Mapping[str, int | None] = field(default_factory=dict)
    """By model, in tokens; None where nobody knows."""


class Spending:
    def __init__(
        self,
        rules: Callable[[str, str], Sequence[BudgetRule]],
        book: BudgetBook,
        pricing: Callable[[], Pricing],
        terms: Budgets,
        clock: Clock,
    ) -> None:
        """`rules` gives a tenant's budgets that may bind a key, and `pricing` is asked for once one of them is hard."""
        self._rules = rules
        self._book = book
        self._make_pricing = pricing
        self._pricing: Pricing | None = None
        self._terms = terms
        self._clock = clock

    def go_by(self, pricing: Callable[[], Pricing], terms: Budgets) -> None:
        """For whatever comes from now on."""
        self._make_pricing, self._pricing = pricing, None
        self._terms = terms

    def demand(self, request: CompletionRequest, caller: Caller, model: ModelFacts, input_tokens: int) -> Demand | None:
        """What the request, of so many tokens at most, asks of its tenant's hard budgets; None: nothing."""
        use = Use(caller.key_id, request.model, caller.team, {**request.tags, **caller.tags})
        rules = [rule for rule in self._rules(caller.tenant, caller.key_id) if rule.hard and rule.binds(use)]
        if not rules:
            return None
        if self._pricing is None:
            self._pricing = self._make_pricing()
        tier, choices = request.body.get("service_tier"), request.body.get("n")
        bound = _bound(request, self._pricing.longest_answers.get(request.model), model.context_window)
        each = self._terms.output_tokens if bound is None else bound
        need = Need(
            input_tokens=input_tokens,
            output_tokens=each * (choices if isinstance(choices, int) else 1),
            service_tier=tier if isinstance(tier, str) else None,
            calls=self._pricing.deployments.calls(request.model),
        )
        places = self._pricing.deployments.of(request.model)
        amount = worst_case(need, places, self._pricing.book, self._clock())
        return Demand(
            rules,
            amount,
            refused_without_price=self._terms.when_unpriced == "refuse",
            longest_answer=each if bound is None else None,
        )

    async def hold(self, job: Job, demand: Demand | None) -> Job | Refused:
        """The job with what is held for it. Raises UnavailableError when nobody knows what is left."""
        if demand is None or demand.nanodollars is None:
            return job
        # By the time inside the id, which ledger and book go by as well.
        submitted = datetime.fromtimestamp(job_unix_ms(job.id) / 1000, UTC)
        reserved = Reserved(
            nanodollars=demand.nanodollars, windows=tuple(rule.window(submitted) for rule in demand.rules)
        )
        try:
            short = await self._book.hold(job.id, reserved, demand.rules)
        except UnavailableError as error:
            if self._terms.when_unknown == "refuse":
                raise
            log.warning("budget_not_asked", job_id=job.id, reason=str(error))
            return job
        if short:
            return not_enough(demand, short, self._clock())
        held = job.model_copy(update={"reserved": reserved})
        if demand.longest_answer is None:
            return held
        return held.model_copy(update={"body": {**job.body, "max_completion_tokens": demand.longest_answer}})

    async def give_back(self, job: Job) -> None:
        """The job will never run."""
        if job.reserved is not None:
            with suppress(UnavailableError):  # accounting finds it
                await self._book.drop(job.tenant, job.id)


def _bound(request: CompletionRequest, *known: int | None) -> int | None:
    """How long one choice can be, in tokens; None when nobody names and nobody knows that."""
    if request.endpoint is Endpoint.EMBEDDINGS:
        return 0
    return request.output_tokens or min((bound for bound in known if bound is not None), default=None)
