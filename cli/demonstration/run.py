"""The demo from beginning to end: a folder, a stage on it, the scene, the verdicts; afterwards nothing is left."""

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.demonstration.checks import judge
from cli.demonstration.display import Display
from cli.demonstration.figures import figures_of
from cli.demonstration.folder import run_folder
from cli.demonstration.outcome import Outcome, nothing_left_running
from cli.demonstration.plan import planned
from cli.demonstration.prices import second_opinion
from cli.demonstration.prompts import Prompt
from cli.demonstration.scene import play
from cli.demonstration.stage import StackWatch, running_stage

__all__ = ["perform"]


@dataclass(slots=True)
class _StopWatch:
    phases: dict[str, float]
    since: float

    def lap(self, phase: str) -> None:
        now = time.monotonic()
        self.phases[phase] = now - self.since
        self.since = now


async def perform(
    prompts: tuple[Prompt, ...], seed: int, *, keep: bool, display: Display, environ: Mapping[str, str]
) -> Outcome:
    """Cancelling it ends everything in order as well. Raises OperatorError, perhaps in a group."""
    errands = planned(prompts, seed)
    watch = StackWatch(display.tell)
    clock = _StopWatch({}, time.monotonic())
    with run_folder(Path(tempfile.gettempdir()), keep=keep) as folder:
        models = sorted({prompt.model for prompt in prompts})
        async with running_stage(folder, models, seed, environ=environ, watch=watch) as stage:
            display.tell(f"everything is ready at {stage.stack.gateway_url}")
            clock.lap("start")
            evidence = await play(stage, errands, seed, display)
            clock.lap("run")
            display.tell("ending everything")
            price_of = second_opinion(stage.config)
        clock.lap("stop")
    left = nothing_left_running(watch.pids, filter(_lives, watch.pids), has_children=_has_children())
    verdicts = (*judge(evidence, price_of), left)
    return Outcome(figures_of(evidence), verdicts, clock.phases, seed, folder if keep else None)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's: the number has been given away already
        return False
    return True


def _has_children() -> bool:
    """Every process runs below a keeper of ours, which ends when all is gone that the process has left behind."""
    while True:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if not ended:
            return True
