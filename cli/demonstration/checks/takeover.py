"""What became of the jobs whose worker was killed?"""

from collections.abc import Iterator

from cli.demonstration.checks.verdict import Verdict
from cli.demonstration.evidence import Evidence, Kill
from shared.contracts import AttemptStatus, UsageSource

__all__ = ["killed_workers_jobs_ended"]


def killed_workers_jobs_ended(evidence: Evidence) -> Verdict:
    """A kill that hit nothing proves nothing, so it counts as a fault."""
    endings = evidence.ending_by_job()
    in_hand = [job for kill in evidence.kills for job in kill.jobs]
    ended = sum(job in endings for job in in_hand)
    taken_over = sum(job in endings and endings[job].epoch > 1 for job in in_hand)
    faults = [fault for kill in evidence.kills for fault in _faults(evidence, kill)]
    if not in_hand:
        faults.append("no worker was killed while it ran a job")
    elif not taken_over:
        faults.append("none of its jobs was taken over by a later epoch")
    finding = f"{len(in_hand)} in hand, {ended} ended, {taken_over} of them taken over"
    return Verdict("the killed worker's jobs ended elsewhere", finding, tuple(faults))


def _faults(evidence: Evidence, kill: Kill) -> Iterator[str]:
    endings = evidence.ending_by_job()
    rows = {row.attempt_id: row for row in evidence.ledger}
    for job in kill.jobs:
        if job not in endings:
            yield f"{job} was running in {kill.worker} and never ended"
    for attempt in kill.attempts:
        row = rows.get(attempt)
        if row is None:
            yield f"{attempt} was under way in {kill.worker} and is not in the ledger"
        elif row.status is AttemptStatus.ABANDONED and row.usage_source is not UsageSource.PARTIAL:
            yield f"{attempt} was abandoned and its usage says {row.usage_source}, not partial"
