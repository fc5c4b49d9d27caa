"""When are the books audited?"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Auditing"]


class Auditing(BaseModel):
    """Once a day accounting compares ledger, sums, budgets, usage events and results, as `sluice usage audit` does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")] | None = "03:15"
    """The time of the day, UTC; `null` switches it off."""
