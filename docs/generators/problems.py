"""The table of the HTTP door's errors, from one example of each that `api.problems` can make."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from docs.generators.markdown import code, table
from docs.generators.mentions import mentioned
from services.ingress.admission import Reason, Refused
from services.ingress.api import problems
from services.ingress.api.problems import Problem
from services.ingress.keyring import Turned
from services.ingress.ports import Dependency, UnavailableError

__all__ = ["section"]

_REASONS: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.MALFORMED_JSON: "The body is not JSON, or not an object.",
        Reason.INVALID_VALUE: "A field or header that Sluice reads holds what it must not.",
        Reason.INVALID_TYPE: "A field that Sluice reads has another type.",
        Reason.MISSING_PARAMETER: "`model` is missing, or `messages`, or `input`.",
        Reason.MODEL_NOT_FOUND: "No such model, or not for this key: the two are told alike.",
        Reason.WRONG_ENDPOINT: "Embeddings are asked of a chat model, or a chat of a model that makes embeddings.",
        Reason.LANE_NOT_ALLOWED: "The key may not use this lane.",
        Reason.DEADLINE_TOO_FAR: "`x-sluice-deadline` is longer than the lane allows.",
        Reason.SCHEDULE_TOO_FAR: "`not_before` is later than `limits.schedule_seconds` from now.",
        Reason.OUTPUT_TOO_LONG: "More output is asked for than the model can give.",
        Reason.CONTEXT_LENGTH_EXCEEDED: "Input and output do not fit the model's window; the message has the figures.",
        Reason.TOO_LARGE: "The record is larger than allowed (submit topics).",
        Reason.KEY_REUSED: "The `Idempotency-Key` was used for another request.",
        Reason.OVERLOADED: "What others have waiting in the lane is expected to outlast the job's deadline.",
        Reason.OWN_BACKLOG: "What the tenant itself has waiting in the lane is expected to outlast the job's deadline.",
        Reason.INVALID_SIGNATURE: "A record is not signed, wrongly, or too long ago (submit topics).",
        Reason.ABOVE_RATE: "More requests or tokens in a minute, or interactive jobs at once, than a limit allows.",
        Reason.LARGER_THAN_RATE: "The request alone takes more tokens than a limit allows in a minute.",
        Reason.INSUFFICIENT_QUOTA: "A budget has not enough left; with `retry-after` where jobs under way hold it.",
        Reason.PRICE_UNKNOWN: "There is a hard budget, and nobody knows what the request would cost.",
        Reason.NO_WORKERS: "There has been no worker for longer than the job's deadline allows.",
    }
)

_OTHERS: Final[Mapping[str, tuple[str, Problem]]] = MappingProxyType(
    {
        "no_key": ("No API key was sent.", problems.no_key()),
        "wrong_key": ("The API key is not known here.", problems.wrong_key()),
        "turned_away": (
            "The API key has expired; likewise `api_key_revoked`, and 403 `api_key_blocked`.",
            problems.turned_away(Turned.EXPIRED),
        ),
        "no_such_record": ("No such tenant, team or key (admin API).", problems.no_such_record("tenant", "")),
        "name_taken": ("There is a tenant, team or key of that name (admin API).", problems.name_taken("tenant", "")),
        "set_in_file": ("A budget of `sluice.yaml` is changed there (admin API).", problems.set_in_file("")),
        "key_is_revoked": ("A revoked key cannot be rotated (admin API).", problems.key_is_revoked("")),
        "no_such_job": ("No such job, or another tenant's: the two are told alike.", problems.no_such_job("")),
        "bad_cursor": ("`Last-Event-ID` or `?after=` is no event's id.", problems.bad_cursor("")),
        "bad_parameter": ("A query parameter is wrong; JSONL without a line.", problems.bad_parameter("limit", "")),
        "body_too_large": ("The body is larger than `limits.body_bytes`.", problems.body_too_large(0)),
        "too_many_large": (
            "Other large requests use all the memory there is for them.",
            problems.too_many_large(),
        ),
        "too_slow": ("A large request came too slowly.", problems.too_slow(120)),
        "record_too_large": ("The job is larger than a Kafka record may be.", problems.record_too_large()),
        "no_such_path": ("No such path.", problems.no_such_path("GET", "/")),
        "method_not_allowed": ("The path exists, the method does not.", problems.method_not_allowed("PUT", "/", "GET")),
        "of_unavailable": (
            "Kafka is away; of others likewise: `redis_unavailable`, `postgres_unavailable`, `blobs_unavailable`.",
            problems.of_unavailable(UnavailableError(Dependency.KAFKA, "")),
        ),
        "unconfirmed": (
            "Kafka did not confirm the job in time. If it arrived, its key finds it; without a key it is withdrawn.",
            problems.unconfirmed(),
        ),
        "stopping": ("This replica is stopping.", problems.stopping()),
        "out_of_time": ("The job's deadline passed before it was answered.", problems.out_of_time()),
        "answer_not_kept": (
            "The request was sent before and succeeded; its log has expired, and contents are not kept.",
            problems.answer_not_kept(),
        ),
        "interrupted": ("A stream broke off after a part of it was shown.", problems.interrupted()),
        "internal": ("A fault of Sluice; the log has its traceback, by `x-request-id`.", problems.internal()),
    }
)
"""By the function that makes it: when it is told, and an example."""

_NO_ERRORS_OF_THEIR_OWN: Final = frozenset({"Problem", "ProblemError", "of_refused", "of_ended"})


def section() -> str:
    """Raises AssertionError when a problem has no line here."""
    missing = set(problems.__all__) - _OTHERS.keys() - _NO_ERRORS_OF_THEIR_OWN
    missing |= set(Reason) - _REASONS.keys()
    if missing:
        raise AssertionError(f"errors without a line in the reference: {sorted(missing)}")
    rows = sorted(_rows(), key=lambda row: (row[0], row[2]))
    return table(("status", "`type`", "`code`", "when", "headers"), rows)


def _rows() -> Iterator[tuple[str, str, str, str, str]]:
    for reason, when in _REASONS.items():
        yield _row(when, problems.of_refused(Refused(reason, "")))
    told = mentioned("services/ingress", problems.__name__)
    for name, (when, problem) in _OTHERS.items():
        if name in told:
            yield _row(when, problem)


def _row(when: str, problem: Problem) -> tuple[str, str, str, str, str]:
    headers = ", ".join(code(f"{name}: {value}") for name, value in problem.headers)
    return str(problem.status), code(problem.type), code(problem.code or "null"), when, headers
