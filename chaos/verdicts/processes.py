"""Did every process live until it was killed or asked to end, and end when it was asked?"""

from signal import SIGTERM

from chaos.facts import Facts, Life
from chaos.verdicts.verdict import Finding, Verdict

__all__ = ["processes_lived"]


def processes_lived(facts: Facts) -> Verdict:
    findings = [Finding(told) for life in facts.lives if (told := _wrong(life)) is not None]
    killed = sum(life.killed for life in facts.lives)
    ended = sum(life.asked_to_end_at is not None for life in facts.lives)
    figure = f"{len(facts.lives)} lives, {killed} killed, {ended} asked to end"
    return Verdict("no process gave up by itself", figure, tuple(findings))


def _wrong(life: Life) -> str | None:
    if life.ended_by_itself:
        return f"{life.name} ended by itself with code {life.exit_code}"
    if life.ready_at is None and life.exit_code == -SIGTERM:
        return None  # asked before it had begun to listen for that
    if life.asked_to_end_at is not None and not life.killed and life.exit_code != 0:
        return f"{life.name} was asked to end and ended with code {life.exit_code}"
    return None
