"""May this request become a job? Pure: the request, its caller and the facts go in, a job or a refusal comes out."""

from services.ingress.admission.admit import Admitted, admit
from services.ingress.admission.allowance import Allowance, Left, tightest
from services.ingress.admission.backlog import Backlog, Line, Wait, backlog_of, foresee, grown
from services.ingress.admission.caller import Caller
from services.ingress.admission.facts import Facts, HouseRules, ModelFacts, Spans
from services.ingress.admission.limits import NO_LIMITS, Limits
from services.ingress.admission.money import Demand, Short, not_enough
from services.ingress.admission.pace import Denied, Granted, Pace, above_rate, scopes_of
from services.ingress.admission.reading import read_request
from services.ingress.admission.refusal import Reason, Refused
from services.ingress.admission.repeats import Repeat, reused
from services.ingress.admission.request import CompletionRequest, Departure, Manner, Wishes
from services.ingress.admission.wishes import read_wishes

__all__ = [
    "NO_LIMITS",
    "Admitted",
    "Allowance",
    "Backlog",
    "Caller",
    "CompletionRequest",
    "Demand",
    "Denied",
    "Departure",
    "Facts",
    "Granted",
    "HouseRules",
    "Left",
    "Limits",
    "Line",
    "Manner",
    "ModelFacts",
    "Pace",
    "Reason",
    "Refused",
    "Repeat",
    "Short",
    "Spans",
    "Wait",
    "Wishes",
    "above_rate",
    "admit",
    "backlog_of",
    "foresee",
    "grown",
    "not_enough",
    "read_request",
    "read_wishes",
    "reused",
    "scopes_of",
    "tightest",
]
