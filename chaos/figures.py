"""The four numbers, and how long it took to recover from what. Pure: counted from the facts."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from chaos.facts import Facts, Life, Strike
from chaos.schedule import Act, Role
from chaos.verdicts.endings import lost_jobs
from chaos.verdicts.ledger import lost_rows
from chaos.verdicts.repeats import Cause, repeats
from chaos.verdicts.transcripts import transcript_findings

__all__ = ["TAKEN_OVER", "Numbers", "Recovery", "faults_by_kind", "numbers_of", "recoveries"]

TAKEN_OVER = "a dead worker's job goes on at another"

_SERVER_USERS: Mapping[str, frozenset[Role]] = {
    "kafka": frozenset(Role),
    "valkey": frozenset({Role.WORKER, Role.INGRESS}),
    "postgres": frozenset({Role.ACCOUNTING}),
}
_DEALING_ACTS = frozenset({Act.KILL, Act.FREEZE, Act.ROLL, Act.JOIN, Act.LEAVE})
_LONGEST_WAIT_SECONDS = 60.0
"""A part that shows no sign of work for so long had nothing to do: the load was over."""


@dataclass(frozen=True, slots=True)
class Numbers:
    kills: int
    """SIGKILLs, of services and of servers."""
    jobs_lost: int
    rows_lost: int
    streams_resumed: int
    """Readers that came back at least once."""
    streams_wrong: int
    """Of those."""
    rebalances: int
    duplicates: int
    """Provider calls that nothing but a rebalance, a deploy or a drain can have caused."""

    @property
    def resumed_correctly(self) -> float:
        return 1 - self.streams_wrong / self.streams_resumed if self.streams_resumed else 1.0


@dataclass(frozen=True, slots=True)
class Recovery:
    fault: str
    seconds: tuple[float, ...]
    """Sorted; one for each time and each part that was struck."""

    @property
    def p50(self) -> float:
        return self.seconds[len(self.seconds) // 2]

    @property
    def longest(self) -> float:
        return self.seconds[-1]


def numbers_of(facts: Facts) -> Numbers:
    wrong = {transcript.reader for transcript, _ in transcript_findings(facts)}
    resumed = [transcript.reader for transcript in facts.transcripts if transcript.resumed]
    return Numbers(
        kills=sum(strike.fault.act in (Act.KILL, Act.POWER_CUT, Act.FAILOVER) for strike in facts.strikes),
        jobs_lost=len(lost_jobs(facts)),
        rows_lost=len(lost_rows(facts)),
        streams_resumed=len(resumed),
        streams_wrong=sum(reader in wrong for reader in resumed),
        rebalances=sum(
            strike.fault.act in _DEALING_ACTS and strike.fault.target.startswith("worker") for strike in facts.strikes
        ),
        duplicates=sum(repeat.cause is Cause.NONE for repeat in repeats(facts)),
    )


def faults_by_kind(facts: Facts) -> Mapping[str, int]:
    return dict(Counter(_kind(strike) for strike in facts.strikes).most_common())


def recoveries(facts: Facts) -> list[Recovery]:
    """From the end of a fault until each part that was struck is seen at work; a death counts from its own time."""
    found: dict[str, list[float]] = defaultdict(list)
    signs = _signs_of_work(facts)
    for strike in facts.strikes:
        for slot in _struck(strike, facts.lives):
            seconds = _until_seen(strike, slot, signs.get(slot, ()), facts.strikes)
            if seconds is not None:
                found[_kind(strike)].append(seconds)
    found[TAKEN_OVER] = list(_takeovers(facts))
    return [Recovery(fault, tuple(sorted(seconds))) for fault, seconds in sorted(found.items()) if seconds]


def _signs_of_work(facts: Facts) -> Mapping[str, Sequence[float]]:
    """By slot, in order: a worker's calls, what an ingress gave to readers, what accounting wrote."""
    slots = {life.name: life.slot for life in facts.lives}
    signs: dict[str, list[float]] = defaultdict(list)
    for call in facts.calls:
        if call.life in slots:
            signs[slots[call.life]].append(call.started_at)
    for transcript in facts.transcripts:
        for visit in transcript.visits:
            if visit.events:
                signs[visit.ingress].append(visit.began_at)
    for slot in {life.slot for life in facts.lives if life.role is Role.ACCOUNTING}:
        signs[slot] += [row.recorded_at for row in facts.ledger]
    return {slot: sorted(times) for slot, times in signs.items()}


def _struck(strike: Strike, lives: Iterable[Life]) -> set[str]:
    target = strike.fault.target
    roles = {life.slot: life.role for life in lives}
    if strike.fault.act in (Act.LEAVE, Act.DELAY):
        return set()
    if strike.fault.act.is_of_a_link:
        return {end for end in target.split(">") if end in roles}
    if target in roles:
        return {target}
    users = _SERVER_USERS.get(target, _SERVER_USERS["valkey"])
    return {slot for slot, role in roles.items() if role in users}


def _until_seen(strike: Strike, slot: str, signs: Sequence[float], strikes: Iterable[Strike]) -> float | None:
    """None when something else struck it before, or it had nothing to do."""
    seen = next((at for at in signs if at >= strike.ended_at), None)
    if seen is None or seen - strike.ended_at > _LONGEST_WAIT_SECONDS:
        return None
    for other in strikes:
        hit = other.fault.target == slot or slot in other.fault.target.split(">")
        if other is not strike and hit and other.began_at <= seen and other.ended_at >= strike.began_at:
            return None
    return seen - strike.ended_at


def _takeovers(facts: Facts) -> Iterator[float]:
    killed = {life.name: life.ended_at for life in facts.lives if life.killed and life.role is Role.WORKER}
    calls = sorted(facts.calls, key=lambda call: call.started_at)
    for call in calls:
        died_at = killed.get(call.life or "")
        if died_at is None or not call.started_at < died_at <= call.ended_at + 0.1:
            continue
        again = next((each for each in calls if each.job == call.job and each.started_at > died_at), None)
        if again is not None:
            yield again.started_at - died_at


def _kind(strike: Strike) -> str:
    fault = strike.fault
    if fault.act.is_of_a_link:
        return f"connection {fault.act}"
    if fault.act is Act.DROP_CLIENTS:
        return f"{fault.act} TYPE {fault.target}"
    return f"{fault.target.rstrip('0123456789').rstrip('-')} {fault.act}"
