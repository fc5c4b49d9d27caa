"""Is it true? Pure: evidence in, verdicts out. A new check is a function in this folder and one line in `CHECKS`."""

from collections.abc import Callable
from typing import Final

from cli.demonstration.checks.answers import chat_clients_read_the_answer, streamed_text_is_the_answer
from cli.demonstration.checks.calls import every_call_is_in_the_ledger, tokens_are_what_was_served
from cli.demonstration.checks.endings import every_job_succeeded, jobs_ended_once
from cli.demonstration.checks.money import costs_are_the_prices_times_the_tokens, rollups_are_the_ledger
from cli.demonstration.checks.streams import no_event_lost_or_repeated
from cli.demonstration.checks.takeover import killed_workers_jobs_ended
from cli.demonstration.checks.verdict import Verdict
from cli.demonstration.evidence import Evidence
from cli.demonstration.prices import PriceOf

__all__ = ["Verdict", "judge"]

CHECKS: Final[tuple[Callable[[Evidence], Verdict], ...]] = (
    jobs_ended_once,
    every_job_succeeded,
    killed_workers_jobs_ended,
    no_event_lost_or_repeated,
    streamed_text_is_the_answer,
    chat_clients_read_the_answer,
    every_call_is_in_the_ledger,
    tokens_are_what_was_served,
    rollups_are_the_ledger,
)


def judge(evidence: Evidence, price_of: PriceOf) -> tuple[Verdict, ...]:
    """`price_of` is an opinion of its own about prices, independent of the ledger's."""
    return *(check(evidence) for check in CHECKS), costs_are_the_prices_times_the_tokens(evidence, price_of)
