"""All that is claimed of a run, in the order in which it is told."""

from chaos.facts import Facts
from chaos.models import FATES
from chaos.verdicts.audit import audit_finds_nothing
from chaos.verdicts.commits import no_commit_past_an_unfinished_job
from chaos.verdicts.endings import ended_as_expected, ended_in_time, ended_once
from chaos.verdicts.ledger import ledger_is_what_was_served
from chaos.verdicts.processes import processes_lived
from chaos.verdicts.repeats import no_call_without_a_cause
from chaos.verdicts.transcripts import transcripts_are_the_log
from chaos.verdicts.verdict import Verdict

__all__ = ["judged"]


def judged(facts: Facts) -> tuple[Verdict, ...]:
    return (
        ended_once(facts),
        ended_in_time(facts),
        ended_as_expected(facts, FATES),
        transcripts_are_the_log(facts),
        ledger_is_what_was_served(facts),
        audit_finds_nothing(facts),
        no_call_without_a_cause(facts),
        no_commit_past_an_unfinished_job(facts),
        processes_lived(facts),
    )
