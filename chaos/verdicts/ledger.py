"""Is the ledger what the provider served, attempt by attempt?

A call whose provider told what it had used is charged with that, unless its worker never heard it. What a worker did
not live to hear, or did not hear because the way was cut, or because it stopped waiting just then, is charged from what
had arrived: never more than was served.

One call may be charged to nobody: what its worker had noted in Valkey was forgotten, and the worker had ended before
another took the job. Then there is nobody left who knows of it. Such calls are counted and told.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from chaos.books import LedgerRow
from chaos.facts import Call, Facts
from chaos.timeline import Timeline
from chaos.verdicts.calls import calls_by_job
from chaos.verdicts.verdict import Finding, Verdict
from shared.contracts import AttemptStatus, UsageSource

__all__ = ["ledger_is_what_was_served", "lost_rows"]

_GAVE_UP = frozenset({"deadline", "total_timeout", "first_token_timeout", "stall"})
_ON_ITS_WAY_SECONDS = 1.0


def ledger_is_what_was_served(facts: Facts) -> Verdict:
    timeline, calls = Timeline(facts), _calls_by_attempt(facts)
    rows = {row.attempt_id: row for row in facts.ledger}
    findings = lost_rows(facts)
    for attempt, served in calls.items():
        row = rows.get(attempt)
        if row is not None:
            findings += [Finding(f"{attempt}: {what}", row.job) for what in _compared(timeline, served, row)]
    for attempt, row in rows.items():
        if attempt not in calls and row.usage.total:
            findings.append(
                Finding(f"{attempt} is charged with {row.usage.total} tokens and was never served", row.job)
            )
    findings += [Finding(f"{facts.unfinished_calls} calls never ended")] * bool(facts.unfinished_calls)
    return Verdict("the ledger is what was served", _figure(facts), tuple(findings))


def lost_rows(facts: Facts) -> list[Finding]:
    """Calls that nobody was charged for, and that somebody knew of."""
    charged = {row.attempt_id for row in facts.ledger}
    nobody_knew = unknown_to_all(facts)
    return [
        Finding(
            f"{attempt} was served {sum(_total(call) for call in calls)} tokens and is not in the ledger", calls[0].job
        )
        for attempt, calls in _calls_by_attempt(facts).items()
        if attempt not in charged and attempt not in nobody_knew
    ]


def unknown_to_all(facts: Facts) -> set[str]:
    """The attempts that Valkey forgot before the job was taken again, and whose worker had ended by then."""
    timeline = Timeline(facts)
    next_calls = _next_calls(facts.calls)
    ends = {ending.job: ending.appended_at for ending in reversed(facts.endings)}
    found = set()
    for call in facts.calls:
        life = timeline.lives.get(call.life or "")
        taken_again = next_calls.get(call, ends.get(call.job, float("inf")))
        ended_first = life is not None and life.ended_at is not None and life.ended_at <= taken_again
        if call.attempt_id and ended_first and timeline.forgot(call.started_at, taken_again):
            found.add(call.attempt_id)
    return found


def _next_calls(calls: Sequence[Call]) -> dict[Call, float]:
    """By call, when the same job was next served to another worker."""
    found: dict[Call, float] = {}
    for served in calls_by_job(calls).values():
        for at, call in enumerate(served):
            later = [each.started_at for each in served[at + 1 :] if each.life != call.life]
            if later:
                found[call] = later[0]
    return found


def _compared(timeline: Timeline, calls: Sequence[Call], row: LedgerRow) -> Iterator[str]:
    if len(calls) > 1:
        by = ", ".join(f"{call.life} at {call.started_at:.3f}" for call in calls)
        yield f"{len(calls)} calls have this one name and one row ({by})"
        return
    (call,) = calls
    if row.usage.input > call.input_tokens or row.usage.output > call.output_tokens:
        yield (
            f"charged {row.usage.input} + {row.usage.output} tokens ({row.usage_source}), "
            f"served {call.input_tokens} + {call.output_tokens}"
        )
    elif row.usage_source is UsageSource.PROVIDER:
        if (row.usage.input, row.usage.output) != (call.input_tokens, call.output_tokens):
            yield f"charged {row.usage.total} tokens by the provider's own count, which was {_total(call)}"
    elif row.usage_source is UsageSource.ESTIMATE:
        yield "charged by an estimate, and this provider always tells"
    elif call.finished == "completed" and call.reported and not (_crossed(call, row) or _unheard(timeline, call)):
        yield f"charged {row.usage.total} tokens ({row.usage_source}) of {_total(call)} that the provider told"
    if row.status is AttemptStatus.ABANDONED and row.usage_source not in (UsageSource.PARTIAL, UsageSource.PROVIDER):
        yield f"its worker died, and its row says {row.usage_source}"


def _crossed(call: Call, row: LedgerRow) -> bool:
    """Whether its worker had waited long enough just when the answer was on its way."""
    return row.error_kind in _GAVE_UP and abs(row.ended_at - call.ended_at) < _ON_ITS_WAY_SECONDS


def _unheard(timeline: Timeline, call: Call) -> bool:
    """Whether the worker may not have heard the end of its call."""
    if timeline.away(call.life, call.started_at, call.ended_at + 1.0) is not None:
        return True
    if timeline.was_draining(call.life, call.ended_at + 1.0):
        return True
    return timeline.provider_was_cut_off(call.life, call.started_at, call.ended_at) or timeline.forgot(
        call.started_at, call.ended_at
    )


def _figure(facts: Facts) -> str:
    served = sum(map(_total, facts.calls))
    charged = sum(row.usage.total for row in facts.ledger)
    partial = [row for row in facts.ledger if row.usage_source is UsageSource.PARTIAL]
    unknown = unknown_to_all(facts) - {row.attempt_id for row in facts.ledger}
    figure = f"{len(facts.calls)} calls served {served} tokens; {len(facts.ledger)} rows charge {charged}"
    figure += f", {len(partial)} of them partial"
    return f"{figure}; of {len(unknown)} calls nobody was left who knew" if unknown else figure


def _calls_by_attempt(facts: Facts) -> dict[str, list[Call]]:
    found: dict[str, list[Call]] = defaultdict(list)
    for call in facts.calls:
        found[call.attempt_id or "a call without a name"].append(call)
    return found


def _total(call: Call) -> int:
    return call.input_tokens + call.output_tokens
