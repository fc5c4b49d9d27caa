"""What a request may carry beside its body, as the OpenAPI document describes it. `admission.wishes` reads the most."""

from dataclasses import dataclass, field
from typing import Any, Final

from services.ingress.admission import Departure
from shared.contracts import Interruption, Lane

__all__ = ["CHAT_HEADERS", "EVENT_CURSOR", "JOB_CURSOR", "JOB_HEADERS", "JOB_ID", "LAST_EVENT_ID", "described"]

JOB_ID: Final = {"pattern": "^job_[0-9a-f]{32}$"}
JOB_CURSOR: Final = {"pattern": "^(job_[0-9a-f]{32})?$"}
EVENT_CURSOR: Final = {"pattern": "^([0-9]{1,18}-[0-9]{1,18})?$", "examples": ["1-12"]}


@dataclass(frozen=True, slots=True)
class _Header:
    name: str
    meaning: str
    schema: dict[str, Any] = field(default_factory=dict)


JOB_HEADERS: Final = (
    _Header(
        "x-sluice-lane",
        "`interactive` or `batch`; what may wait costs others less.",
        {"enum": [str(lane) for lane in Lane]},
    ),
    _Header(
        "x-sluice-deadline",
        "Seconds after which the job expires, counted from `x-sluice-not-before` when that is given.",
        {"pattern": r"^[0-9]{1,6}(\.[0-9]{1,3})?$", "examples": ["30"]},
    ),
    _Header(
        "x-sluice-not-before",
        "When the job may begin. A job's own field `not_before` goes before it.",
        {"format": "date-time", "examples": ["2026-11-21T06:00:00Z"]},
    ),
    _Header(
        "x-sluice-on-interrupt",
        "What happens when the answer breaks off after a part of it was shown.",
        {"enum": [str(policy) for policy in Interruption]},
    ),
    _Header(
        "idempotency-key",
        "The same key with the same body is the same job, also while it runs and after its end.",
        {"pattern": "^[ -~]{1,512}$", "examples": ["8e03978e-40d5-43dd-bc93-6894a57f9324"]},
    ),
    _Header(
        "x-sluice-feature",
        "The feature of your product that asks; a dimension of the usage tables.",
        {"pattern": "^[ -~]{1,128}$", "examples": ["search"]},
    ),
    _Header(
        "x-sluice-route",
        "Labels by which the operator's rules choose who serves the job.",
        {
            "pattern": "^ *[A-Za-z0-9._-]+=[A-Za-z0-9._:/@+-]+ *(, *[A-Za-z0-9._-]+=[A-Za-z0-9._:/@+-]+ *)*$",
            "examples": ["region=eu, tier=gold"],
        },
    ),
    _Header(
        "traceparent",
        "W3C trace context; the job continues the trace.",
        {"examples": ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]},
    ),
    _Header("x-request-id", "Comes back on the answer and stands in every line of the log."),
)
CHAT_HEADERS: Final = (
    *JOB_HEADERS,
    _Header(
        "x-sluice-on-disconnect",
        "`continue` lets the job go on when its client leaves; otherwise it is cancelled.",
        {"enum": [str(wish) for wish in Departure]},
    ),
    _Header(
        "prefer",
        "`respond-async` answers 202 at once, `wait=N` after N seconds without an answer (RFC 7240).",
        {"examples": ["respond-async", "wait=10"]},
    ),
)
LAST_EVENT_ID: Final = (
    _Header("last-event-id", "The `id` of the last event seen; goes before `after`.", EVENT_CURSOR),
)


def described(headers: tuple[_Header, ...]) -> list[dict[str, Any]]:
    return [
        {
            "name": header.name,
            "in": "header",
            "required": False,
            "description": header.meaning,
            "schema": {"type": "string"} | header.schema,
        }
        for header in headers
    ]
