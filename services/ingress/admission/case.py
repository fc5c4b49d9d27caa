"""One decision to take: everything a guard may look at."""

from dataclasses import dataclass
from datetime import datetime

from services.ingress.admission.caller import Caller
from services.ingress.admission.facts import Facts
from services.ingress.admission.request import CompletionRequest

__all__ = ["Case"]


@dataclass(frozen=True, slots=True)
class Case:
    request: CompletionRequest
    caller: Caller
    facts: Facts
    now: datetime
