"""Why is a deployment not to be called now, and until when? The one word for it, whoever found it out."""

from dataclasses import dataclass
from datetime import datetime

from services.router_worker.failures import Failure

__all__ = ["NotNow"]


@dataclass(frozen=True, slots=True)
class NotNow:
    """A limit, an open breaker, a key that is no good: what it means for a job, its failure's reaction says."""

    until: datetime
    because: Failure
    """What a job fails with that cannot wait so long, and that has had no failure of its own."""
