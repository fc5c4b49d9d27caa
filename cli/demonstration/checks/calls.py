"""Does the ledger hold what the providers served? Call by call: both sides know a call by the id of its attempt."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from cli.demonstration.checks.verdict import Verdict
from cli.demonstration.evidence import Evidence, LedgerRow, ServedCall
from shared.contracts import AttemptStatus, UsageSource

__all__ = ["every_call_is_in_the_ledger", "tokens_are_what_was_served"]

_CUT: Final = frozenset({UsageSource.PARTIAL, UsageSource.NONE})
"""The provider never came to report what it had served."""


def every_call_is_in_the_ledger(evidence: Evidence) -> Verdict:
    rows = Counter(row.attempt_id for row in evidence.ledger)
    calls = Counter(call.attempt_id for call in evidence.served)
    unreached = [row for row in evidence.ledger if row.attempt_id not in calls]
    finding = f"{calls.total()} calls served = {rows.total() - len(unreached)} rows"
    if unreached:
        finding += f", and {len(unreached)} that reached no provider"
    return Verdict(
        "every provider call is in the ledger, once", finding, tuple(_missing(evidence, rows, calls, unreached))
    )


def _missing(
    evidence: Evidence, rows: Counter[str], calls: Counter[str | None], unreached: list[LedgerRow]
) -> Iterator[str]:
    for attempt, count in calls.items():
        if attempt is None:
            yield f"{count} calls reached a provider without the id of an attempt"
        elif count > 1:
            yield f"{attempt} reached a provider {count} times"
        if attempt is not None and attempt not in rows:
            yield f"{attempt} was served and is not in the ledger"
    for attempt, count in rows.items():
        if count > 1:
            yield f"{attempt} is in the ledger {count} times"
    for row in unreached:
        if row.usage.total:
            yield f"{row.attempt_id} is charged {row.usage.total} tokens, and no provider has seen it"
    if evidence.unfinished_calls:
        yield f"{evidence.unfinished_calls} calls are still being answered"


def tokens_are_what_was_served(evidence: Evidence) -> Verdict:
    served = {call.attempt_id: call for call in evidence.served}
    pairs = [(row, served[row.attempt_id]) for row in evidence.ledger if row.attempt_id in served]
    counted = [(row, call) for row, call in pairs if row.usage_source not in _CUT]
    cut = [(row, call) for row, call in pairs if row.usage_source in _CUT and _total(call)]
    charged = sum(row.usage.total for row, _ in counted)
    finding = f"{charged:,} charged = {sum(_total(call) for _, call in counted):,} served"
    if cut:
        seen = sum(row.usage.total for row, _ in cut)
        finding += f"; {len(cut)} calls cut short: {seen:,} of {sum(_total(call) for _, call in cut):,}"
    faults = tuple(f"{row.attempt_id}: {fault}" for row, call in pairs for fault in _faults(row, call))
    return Verdict("tokens in PostgreSQL are what the providers served", finding, faults)


def _total(call: ServedCall) -> int:
    return call.input_tokens + call.output_tokens


def _faults(row: LedgerRow, call: ServedCall) -> Iterator[str]:
    if row.provider != call.provider:
        yield f"charged to {row.provider}, served by {call.provider}"
    for name, charged, counted in _figures(row, call):
        if charged > counted:
            yield f"{charged} {name} tokens charged, only {counted} served"
        elif charged < counted and not _may_fall_short(row, name):
            yield f"{charged} {name} tokens charged, {counted} served"


def _figures(row: LedgerRow, call: ServedCall) -> tuple[tuple[str, int, int], ...]:
    return (
        ("input", row.usage.input, call.input_tokens),
        ("cached input", row.usage.cache_read, call.cached_tokens),
        ("output", row.usage.output, call.output_tokens),
        ("reasoning", row.usage.reasoning, call.reasoning_tokens),
    )


def _may_fall_short(row: LedgerRow, figure: str) -> bool:
    """A call that was cut is charged from what was seen of it, and the details of its usage never came.

    Its output was seen by a worker that lived on; of one that was killed, the last tokens may have died with it.
    """
    if row.usage_source is UsageSource.PARTIAL:
        return figure != "output" or row.status is AttemptStatus.ABANDONED
    return row.usage_source is UsageSource.NONE and figure != "output"
