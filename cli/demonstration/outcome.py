"""What remains of a run when everything has ended: figures, verdicts and times."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.demonstration.checks import Verdict
from cli.demonstration.figures import Figures

__all__ = ["Outcome", "nothing_left_running"]


@dataclass(frozen=True, slots=True)
class Outcome:
    figures: Figures
    verdicts: tuple[Verdict, ...]
    phases: Mapping[str, float]
    """How many seconds each took, in order."""
    seed: int
    kept: Path | None
    """The folder of the run, where it was to be kept."""

    @property
    def holds(self) -> bool:
        return all(verdict.holds for verdict in self.verdicts)

    @property
    def seconds(self) -> float:
        return sum(self.phases.values())


def nothing_left_running(started: Mapping[int, str], alive: Iterable[int], *, has_children: bool) -> Verdict:
    """`started`: every process of the run by its id; `alive`: those of them that still run.

    `has_children`: whether any process of ours is left at all, such as one that waits for what they started themselves.
    """
    faults = [f"{started[pid]} still runs (pid {pid})" for pid in alive]
    finding = f"{len(started)} processes started, {len(started) - len(faults)} ended"
    if has_children and not faults:
        faults.append("a process that one of them started still runs")
    return Verdict("nothing was left running", finding, tuple(faults))
