"""Was a provider called again for what it had been asked already, and why?

Theory. The calls of a job come in an order. A call that follows another is a *retry* when the provider or the way to it
broke the one before: that is the journey's business. Otherwise the same work was bought twice, and only this excuses
it: the process that ran it was dead, or could not be told from a dead one; it was draining and its time was up; or
Valkey had forgotten who ran it. A rebalance and a deploy excuse nothing.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from chaos.facts import Call, Facts
from chaos.timeline import Timeline
from chaos.verdicts.calls import calls_by_job
from chaos.verdicts.endings import endings_by_job
from chaos.verdicts.verdict import Finding, Verdict

__all__ = ["Cause", "Repeat", "no_call_without_a_cause", "repeats"]

_CLOCK_SECONDS = 0.05
"""The simulator notes the end of a call some milliseconds after its client has left."""


class Cause(StrEnum):
    CRASH = "crash"
    """Its worker was dead, or could not be told from a dead one."""
    HANDED_OVER = "handed over"
    """Its worker was asked to end, and the job ran on longer than it was given."""
    FORGOTTEN = "forgotten"
    """Valkey had lost the claim."""
    NONE = "no cause"
    """A rebalance, a deploy, or a defect."""


@dataclass(frozen=True, slots=True)
class Repeat:
    before: Call
    again: Call
    cause: Cause
    why: str


def repeats(facts: Facts) -> list[Repeat]:
    timeline = Timeline(facts)
    ended = {job: min(each.appended_at for each in told) for job, told in endings_by_job(facts).items()}
    found: list[Repeat] = []
    for job, calls in calls_by_job(facts.calls).items():
        for before, again in pairwise(calls):
            if _is_after(again, ended.get(job)) and not _is_after(before, ended.get(job)):
                found.append(Repeat(before, again, *_excuse(timeline, before, again, "after its end")))
            elif not _is_retry(timeline, before, again):
                lived = f"{before.life} lived, and its call had {before.finished}"
                found.append(Repeat(before, again, *_excuse(timeline, before, again, lived)))
    return found


def no_call_without_a_cause(facts: Facts) -> Verdict:
    found = repeats(facts)
    counts = Counter(repeat.cause for repeat in found)
    findings = [
        Finding(f"called again ({repeat.again.attempt_id} by {repeat.again.life}): {repeat.why}", repeat.before.job)
        for repeat in found
        if repeat.cause is Cause.NONE
    ]
    figure = f"{len(facts.calls)} calls; again after a crash {counts[Cause.CRASH]}"
    figure += f", handed over {counts[Cause.HANDED_OVER]}, because Valkey had forgotten {counts[Cause.FORGOTTEN]}"
    figure += f", without a cause {counts[Cause.NONE]}"
    claim = "no rebalance, deploy or drain cost a provider call"
    return Verdict(claim, figure, (*findings, *_over(facts, found)))


def _over(facts: Facts, found: Sequence[Repeat]) -> Iterator[Finding]:
    """A crash may cost the jobs that ran in the dead process, once each."""
    costs = Counter(repeat.before.life for repeat in found if repeat.cause is Cause.CRASH)
    timeline = Timeline(facts)
    for life, cost in costs.items():
        boot = timeline.lives.get(life or "")
        if boot is None or not boot.killed or boot.ended_at is None:
            continue
        running = {call.job for call in facts.calls if call.life == life}
        if cost > len(running):
            yield Finding(f"the death of {life} cost {cost} calls, and it ran {len(running)} jobs")


def _is_after(again: Call, ended_at: float | None) -> bool:
    return ended_at is not None and again.started_at > ended_at + _CLOCK_SECONDS


def _is_retry(timeline: Timeline, before: Call, again: Call) -> bool:
    """Whether the worker gave the call up, for what the provider did or for what came of it by the way."""
    over = before.ended_at <= again.started_at + _CLOCK_SECONDS
    if over and before.went_wrong:
        return True
    if before.life != again.life:
        return False
    since = min(before.started_at, again.started_at)
    return (over and before.finished != "completed") or timeline.provider_was_cut_off(
        before.life, since, again.started_at
    )


def _excuse(timeline: Timeline, before: Call, again: Call, otherwise: str) -> tuple[Cause, str]:
    since, until = min(before.started_at, again.started_at), again.started_at
    if timeline.forgot(since, until):
        return Cause.FORGOTTEN, "Valkey had forgotten the claim"
    if (why := timeline.away(before.life, since, until)) is not None:
        return Cause.CRASH, why
    if timeline.was_draining(before.life, until):
        return Cause.HANDED_OVER, f"{before.life} was asked to end"
    return Cause.NONE, otherwise
