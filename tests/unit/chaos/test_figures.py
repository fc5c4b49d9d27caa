"""The four numbers and the times to recover, counted from a run."""

from dataclasses import replace

import pytest

from chaos.figures import TAKEN_OVER, faults_by_kind, numbers_of, recoveries
from chaos.schedule import Act
from tests.suites.chaos import LATER, a_call, a_life, a_row, a_strike, good_run, tampered


def test_a_good_run_lost_nothing() -> None:
    numbers = numbers_of(good_run())
    assert (numbers.jobs_lost, numbers.rows_lost, numbers.duplicates) == (0, 0, 0)
    assert (numbers.streams_resumed, numbers.resumed_correctly) == (1, 1.0)


def test_what_was_lost_is_counted() -> None:
    facts = tampered(
        endings=(),
        ledger=(),
        transcripts=(replace(good_run().transcripts[0], ended=False),),
        calls=(a_call(), a_call(2, "worker-2#1", LATER - 1.5)),
        strikes=(a_strike(Act.KILL, "worker-3", LATER), a_strike(Act.KILL, "kafka", LATER)),
    )
    numbers = numbers_of(facts)
    assert (numbers.jobs_lost, numbers.rows_lost, numbers.duplicates) == (1, 2, 1)
    assert (numbers.kills, numbers.rebalances) == (2, 1)
    assert numbers.resumed_correctly == 0


def test_a_worker_has_recovered_when_it_calls_a_provider_again() -> None:
    facts = tampered(
        calls=(a_call(at=LATER + 4.5), a_call(2, "worker-2#1", LATER + 4.1)),
        strikes=(a_strike(Act.HOLD, "worker-1>valkey", LATER, LATER + 4),),
    )
    (recovery,) = recoveries(facts)
    assert recovery.fault == "connection held"
    assert recovery.seconds == pytest.approx((0.5,))


def test_what_was_struck_again_meanwhile_is_not_measured() -> None:
    facts = tampered(
        calls=(a_call(at=LATER + 4.5),),
        strikes=(
            a_strike(Act.HOLD, "worker-1>valkey", LATER, LATER + 4),
            a_strike(Act.FREEZE, "worker-1", LATER + 4.1, LATER + 4.2),
        ),
    )
    assert [each.fault for each in recoveries(facts)] == ["worker SIGSTOP"]


def test_a_dead_workers_job_has_recovered_when_another_serves_it() -> None:
    facts = tampered(
        calls=(a_call(), a_call(2, "worker-2#1", LATER + 3)),
        lives=(a_life(killed=True, ended_at=LATER - 1.5), a_life("worker-2#1")),
        ledger=(a_row(), a_row(2)),
    )
    (recovery,) = recoveries(facts)
    assert (recovery.fault, recovery.longest) == (TAKEN_OVER, pytest.approx(4.5))


def test_faults_are_counted_by_kind() -> None:
    facts = tampered(
        strikes=(
            a_strike(Act.KILL, "worker-1", 1),
            a_strike(Act.KILL, "worker-2", 2),
            a_strike(Act.CUT, "worker-1>kafka", 3),
            a_strike(Act.CUT, "readers>ingress-1", 3),
            a_strike(Act.DROP_CLIENTS, "pubsub", 4),
            a_strike(Act.KILL, "kafka", 4),
        )
    )
    assert faults_by_kind(facts) == {
        "worker SIGKILL": 2,
        "connection cut": 2,
        "CLIENT KILL TYPE pubsub": 1,
        "kafka SIGKILL": 1,
    }
