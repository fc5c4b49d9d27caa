"""Did every accepted job end, once, in time, and as it had to?"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from chaos.facts import Ending, Facts, Fate, Letter, Place, Submission
from chaos.timeline import Timeline
from chaos.verdicts.excuses import Excuses
from chaos.verdicts.verdict import Finding, Verdict
from shared.contracts import JobStatus

__all__ = ["GRACE_SECONDS", "ended_as_expected", "ended_in_time", "ended_once", "endings_by_job", "lost_jobs"]

GRACE_SECONDS = 20.0
"""How long after its deadline a job may still be without an end: a death is noticed, a partition dealt anew.

The time for which Kafka or Valkey was away comes on top.
"""


def endings_by_job(facts: Facts) -> Mapping[str, list[Ending]]:
    """In the order in which they were written to the topic."""
    found: dict[str, list[Ending]] = defaultdict(list)
    for ending in sorted(facts.endings, key=lambda ending: ending.place):
        found[ending.job].append(ending)
    return found


def ended_once(facts: Facts) -> Verdict:
    endings = endings_by_job(facts)
    jobs = {record.job for record in facts.accepted}
    excused, twice = _ended_differently(facts, endings)
    findings = [*lost_jobs(facts), *twice, *_doors(facts), *_rows(facts, endings)]
    findings += [Finding("has an end and was never accepted", job) for job in endings.keys() - jobs]
    findings += [
        Finding(f"buried: {_spelled(letter.place)}: {letter.why}") for letter in _unexcused_letters(facts, endings)
    ]
    findings += [Finding(f"not committed to its end: {where}") for where in facts.hanging]
    repeated = sum(map(len, endings.values())) - len(endings)
    figure = f"{len(jobs)} accepted, {len(jobs & endings.keys())} ended; {repeated} ends told again"
    if excused:
        figure += f", {excused} of them anew because Valkey had forgotten the first"
    return Verdict("every accepted job ended exactly once", figure, tuple(findings))


def lost_jobs(facts: Facts) -> list[Finding]:
    """Those that were promised or queued and never ended."""
    endings = endings_by_job(facts)
    queued = {record.job for record in facts.accepted}
    names = {record.name for record in facts.accepted}
    promised = [each for each in facts.submissions if each.fate is Fate.ACCEPTED]
    lost = [Finding("was accepted and never ended", job) for job in queued - endings.keys()]
    lost += [
        Finding(f"was promised ({each.name}) and is not on the jobs topics", each.job)
        for each in promised
        if each.job is not None and each.job not in queued
    ]
    lost += [
        Finding(f"{each.name} is on the submit topic and became no job")
        for each in promised
        if each.job is None and each.name not in names
    ]
    return lost


def _spelled(place: Place) -> str:
    return f"{place.topic}/{place.partition}@{place.offset}"


def _unexcused_letters(facts: Facts, endings: Mapping[str, list[Ending]]) -> list[Letter]:
    """The record of a job that is given up is kept."""
    excuses = Excuses(facts)
    given_up = {
        record.place
        for record in facts.accepted
        if any(excuses.is_given_up(record, ending) for ending in endings.get(record.job, ()))
    }
    return [letter for letter in facts.dead_letters if letter.place not in given_up]


def _ended_differently(facts: Facts, endings: Mapping[str, list[Ending]]) -> tuple[int, list[Finding]]:
    """How many ends may differ since Valkey forgot the first; and those that may not."""
    timeline, excused, findings = Timeline(facts), 0, []
    for job, told in endings.items():
        first = told[0]
        for other in told[1:]:
            if other.content == first.content:
                continue
            if timeline.forgot(first.appended_at - 2.0, other.appended_at):
                excused += 1
            else:
                what = f"ended twice: {first.status} in epoch {first.epoch}, then {other.status} in epoch {other.epoch}"
                findings.append(Finding(what, job))
    return excused, findings


def _doors(facts: Facts) -> Iterator[Finding]:
    """No submission is two jobs."""
    jobs: dict[str, set[str]] = defaultdict(set)
    for record in facts.accepted:
        if record.name is not None:
            jobs[record.name].add(record.job)
    for name, ids in jobs.items():
        if len(ids) > 1:
            yield Finding(f"{name} was submitted once and became {len(ids)} jobs", min(ids))


def _rows(facts: Facts, endings: Mapping[str, list[Ending]]) -> Iterator[Finding]:
    rows = {row.job: row.status for row in facts.jobs}
    for job, told in endings.items():
        shown = rows.get(job)
        if shown is None:
            yield Finding("has ended and is not in PostgreSQL", job)
        elif shown not in {ending.status for ending in told}:
            yield Finding(f"{told[0].status} by its result, {shown} in PostgreSQL", job)


def ended_in_time(facts: Facts) -> Verdict:
    endings, timeline = endings_by_job(facts), Timeline(facts)
    findings, latest = [], 0.0
    for record in facts.accepted:
        told = endings.get(record.job)
        if told is None:
            continue  # lost, which is another verdict's
        late = told[0].appended_at - record.deadline
        latest = max(latest, late)
        excused = timeline.standstill(record.accepted_at, told[0].appended_at)
        if late > GRACE_SECONDS + excused:
            findings.append(Finding(f"ended {late:.1f} s after its deadline", record.job))
    figure = f"the latest {latest:.1f} s behind its deadline" if latest > 0 else "all before their deadlines"
    return Verdict("no job hung past its deadline", figure, tuple(findings))


def ended_as_expected(facts: Facts, fates: Mapping[str, frozenset[JobStatus]]) -> Verdict:
    """`fates`: how jobs of a model may end. Nobody's job ends as cancelled who did not ask for it."""
    submissions = {each.name: each for each in facts.submissions}
    endings, excuses = endings_by_job(facts), Excuses(facts)
    findings = []
    for record in facts.accepted:
        told = endings.get(record.job)
        if told is None or excuses.is_given_up(record, told[0]) or excuses.ran_out_of_time(record, told[0]):
            continue
        allowed = set(fates[record.model]) | _also(submissions.get(record.name or ""))
        if told[0].status not in allowed:
            why = f": {told[0].error}" if told[0].error else ""
            findings.append(Finding(f"{told[0].status}{why}", record.job))
    counts = Counter(told[0].status.value for told in endings.values())
    figure = ", ".join(f"{count} {status}" for status, count in counts.most_common()) or "none ended"
    return Verdict("every job ended as it had to", figure, tuple(findings))


def _also(submission: Submission | None) -> set[JobStatus]:
    """What a door that was not sure withdraws ends as cancelled, and so does what was cancelled in time."""
    if submission is None or submission.fate is not Fate.ACCEPTED or submission.cancelled_at is not None:
        return {JobStatus.CANCELLED}
    return set()
