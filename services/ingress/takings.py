"""What does a job take of what is limited? Money and rate: of both or of neither, and all back if it never runs."""

from dataclasses import dataclass, replace
from datetime import timedelta

from services.ingress.admission import Caller, CompletionRequest, Facts, Refused
from services.ingress.pacing import Paced, Pacing
from services.ingress.ports import UnavailableError
from services.ingress.spending import Spending
from shared.contracts import Job
from shared.tokens import ChatTokens

__all__ = ["Takings"]


@dataclass(frozen=True, slots=True)
class Takings:
    spending: Spending
    pacing: Pacing

    def demanded(
        self, facts: Facts, request: CompletionRequest, caller: Caller, tokens: ChatTokens, longest: timedelta
    ) -> Facts:
        """The facts, with what the request asks of budgets and limits. `longest` is the lane's own deadline."""
        if facts.model is None:
            return facts
        return replace(
            facts,
            pace=self.pacing.demand(request, caller, tokens.most, longest),
            demand=self.spending.demand(request, caller, facts.model, tokens.most),
        )

    async def take(self, job: Job, facts: Facts) -> Paced | Refused:
        """From all or from none. Raises UnavailableError when nobody knows what is left, if so configured."""
        held = await self.spending.hold(job, facts.demand)
        if isinstance(held, Refused):
            return held
        try:
            paced = await self.pacing.take(held, facts.pace)
        except UnavailableError:
            await self.spending.give_back(held)
            raise
        if isinstance(paced, Refused):
            await self.spending.give_back(held)
        return paced

    async def give_back(self, job: Job) -> None:
        """The job will never run."""
        await self.pacing.give_back(job)
        await self.spending.give_back(job)
