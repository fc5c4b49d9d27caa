"""Was an offset ever committed past a job that had not ended? Asked of the broker while the load ran."""

from collections.abc import Mapping

from chaos.facts import Accepted, Commit, Facts
from chaos.verdicts.verdict import Finding, Verdict

__all__ = ["first_coverings", "no_commit_past_an_unfinished_job"]


def no_commit_past_an_unfinished_job(facts: Facts) -> Verdict:
    """A worker writes the result before it finishes the offset, so the result's own time must be the earlier one.

    A job that is put off goes on in another record, which must stand there before this one is finished.
    """
    first_end: dict[str, float] = {}
    for ending in facts.endings:
        first_end[ending.job] = min(ending.appended_at, first_end.get(ending.job, ending.appended_at))
    records: dict[str, list[float]] = {}
    for job, appended_at in [(each.job, each.appended_at) for each in facts.accepted] + list(facts.deferred):
        records.setdefault(job, []).append(appended_at)
    findings = []
    covered = first_coverings(facts)
    for record, commit in covered.items():
        if any(record.appended_at < at <= commit.answered_at for at in records[record.job]):
            continue
        ended = first_end.get(record.job)
        where = f"{record.place.topic}/{record.place.partition}@{record.place.offset}"
        if ended is None:
            findings.append(Finding(f"{where} is committed, and the job never ended", record.job))
        elif ended > commit.answered_at:
            early = ended - commit.answered_at
            findings.append(Finding(f"{where} was committed at least {early:.2f} s before the job ended", record.job))
    figure = f"{facts.looks} looks at the broker, {len(covered)} records seen committed"
    return Verdict("no offset was committed past an unfinished job", figure, tuple(findings))


def first_coverings(facts: Facts) -> Mapping[Accepted, Commit]:
    """By record, the first look that found it committed."""
    covered: dict[Accepted, Commit] = {}
    waiting: dict[tuple[str, int], list[Accepted]] = {}
    for record in facts.accepted:
        waiting.setdefault((record.place.topic, record.place.partition), []).append(record)
    for commit in sorted(facts.commits, key=lambda commit: commit.answered_at):
        place = (commit.topic, commit.partition)
        left = []
        for record in waiting.get(place, ()):
            if commit.covers(record.place):
                covered[record] = commit
            else:
                left.append(record)
        waiting[place] = left
    return covered
