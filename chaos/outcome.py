"""What one run came to: the claims and what speaks against them, the four numbers, the times, the histories."""

from collections.abc import Mapping
from dataclasses import dataclass

from chaos.facts import Facts
from chaos.figures import Numbers, Recovery, faults_by_kind, numbers_of, recoveries
from chaos.verdicts.judge import judged
from chaos.verdicts.verdict import Verdict

__all__ = ["Outcome", "outcome_of", "suspects"]

_HISTORIES = 20


@dataclass(frozen=True, slots=True)
class Outcome:
    seed: int
    seconds: float
    scale: float
    sabotage: str | None
    verdicts: tuple[Verdict, ...]
    numbers: Numbers
    faults: Mapping[str, int]
    recoveries: tuple[Recovery, ...]
    jobs: int
    calls: int
    histories: tuple[tuple[str, ...], ...] = ()
    """Of the jobs that something went wrong with, the first few."""

    @property
    def holds(self) -> bool:
        return all(verdict.holds for verdict in self.verdicts)

    @property
    def command(self) -> str:
        """By which to see it again."""
        sabotaged = f" --sabotage {self.sabotage}" if self.sabotage else ""
        return f"python -m chaos --seconds {self.seconds:g} --seed {self.seed} --scale {self.scale:g}{sabotaged}"


def outcome_of(
    facts: Facts,
    *,
    seed: int,
    seconds: float,
    scale: float,
    sabotage: str | None = None,
    histories: tuple[tuple[str, ...], ...] = (),
) -> Outcome:
    return Outcome(
        seed=seed,
        seconds=seconds,
        scale=scale,
        sabotage=sabotage,
        verdicts=judged(facts),
        numbers=numbers_of(facts),
        faults=faults_by_kind(facts),
        recoveries=tuple(recoveries(facts)),
        jobs=len({record.job for record in facts.accepted}),
        calls=len(facts.calls),
        histories=histories,
    )


def suspects(facts: Facts) -> list[str]:
    """The jobs whose histories are worth reading, worst first."""
    found = [finding.job for verdict in judged(facts) for finding in verdict.findings if finding.job]
    return list(dict.fromkeys(found))[:_HISTORIES]
