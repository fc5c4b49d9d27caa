"""Did every accepted job end, and only once? Asked of the submitters, the topics and the database."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from cli.demonstration.checks.verdict import Verdict
from cli.demonstration.evidence import Evidence
from shared.contracts import Door, Job, JobEnded, JobStatus

__all__ = ["every_job_succeeded", "jobs_ended_once"]


def jobs_ended_once(evidence: Evidence) -> Verdict:
    accepted: dict[str, Job] = {job.id: job for job in evidence.accepted}
    outcomes = _outcomes(evidence)
    ended_rows = sum(row.status is not None for row in evidence.jobs)
    repeats = len(evidence.endings) - len(outcomes)
    repeated = f" ({repeats} told twice)" if repeats else ""
    finding = f"{len(accepted)} accepted = {len(outcomes)} results{repeated} = {ended_rows} ended in PostgreSQL"
    faults = [*_admission(evidence, accepted), *_endings(evidence, accepted, outcomes)]
    return Verdict("every accepted job ended exactly once", finding, tuple(faults))


def every_job_succeeded(evidence: Evidence) -> Verdict:
    endings = list(evidence.ending_by_job().values())
    counts = Counter(ending.status.value for ending in endings)
    broken = sum(call.fault is not None for call in evidence.served)
    finding = ", ".join(f"{count} {status}" for status, count in counts.most_common()) or "none ended"
    faults = [
        f"{ending.job_id} {ending.status}: {ending.error.message if ending.error else 'without a reason'}"
        for ending in endings
        if ending.status is not JobStatus.SUCCEEDED
    ]
    return Verdict("every job got its answer", f"{finding}, though {broken} calls were made to fail", tuple(faults))


def _outcomes(evidence: Evidence) -> dict[str, list[JobEnded]]:
    """The different ends that were told of each job; being told the same end again is harmless."""
    outcomes: dict[str, list[JobEnded]] = defaultdict(list)
    for ending in evidence.endings:
        if ending not in outcomes[ending.job_id]:
            outcomes[ending.job_id].append(ending)
    return outcomes


def _admission(evidence: Evidence, accepted: dict[str, Job]) -> Iterator[str]:
    """Each submission is one accepted job, and there are no others."""
    by_custom_id: dict[str | None, list[str]] = defaultdict(list)
    for job in accepted.values():
        by_custom_id[job.custom_id].append(job.id)
    claimed: set[str] = set()
    for submission in evidence.submissions:
        if submission.refused is not None:
            yield f"{submission.custom_id} was refused ({submission.door}): {submission.refused}"
            continue
        found = [submission.job] if submission.job else by_custom_id[submission.custom_id]
        if len(found) != 1:
            yield f"{submission.custom_id} ({submission.door}) became {len(found)} jobs"
        elif found[0] not in accepted:
            yield f"{found[0]} ({submission.custom_id}) was promised and is not on the job topics"
        elif submission.door is not Door.CHAT and accepted[found[0]].custom_id != submission.custom_id:
            yield f"{found[0]} is named {accepted[found[0]].custom_id}, and was submitted as {submission.custom_id}"
        claimed.update(found)
    for stray in accepted.keys() - claimed:
        yield f"{stray} was accepted, and nobody submitted it"


def _endings(evidence: Evidence, accepted: dict[str, Job], outcomes: dict[str, list[JobEnded]]) -> Iterator[str]:
    rows = {row.job: row for row in evidence.jobs}
    for job in accepted:
        ends = outcomes.get(job, [])
        if not ends:
            yield f"{job} never ended"
        elif len(ends) > 1:
            yield f"{job} ended {len(ends)} times: {', '.join(f'{e.status} in epoch {e.epoch}' for e in ends)}"
        row = rows.get(job)
        if row is None:
            yield f"{job} is not in PostgreSQL"
        elif ends and row.status is not ends[0].status:
            yield f"{job} {ends[0].status} by its result, {row.status or 'has not ended'} in PostgreSQL"
    for job in outcomes.keys() - accepted.keys():
        yield f"{job} has a result and was never accepted"
    for job in rows.keys() - accepted.keys():
        yield f"{job} is in PostgreSQL and was never accepted"
