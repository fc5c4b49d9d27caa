"""An audit remembers millions of calls in memory that is given beforehand, and forgets none that was told."""

from hypothesis import given
from hypothesis import strategies as some

from services.accounting.auditing.seen import Seen
from services.accounting.auditing.topic_checks import Ended, Told, UsageCheck, ends_compared
from services.accounting.ledger.agreement import Attempt, Recorded
from shared.contracts import AttemptFinished, AttemptStatus, TokenUsage
from tests.suites.accounting import an_attempt

USED = TokenUsage(uncached_input=3, output=7)


def a_call(**told: object) -> AttemptFinished:
    return an_attempt(usage=USED).model_copy(update=told)


def attempt(event: AttemptFinished) -> Attempt:
    return Attempt(event.job_id, event.attempt)


def row(event: AttemptFinished) -> dict[Attempt, Recorded]:
    return {attempt(event): Recorded(event.status, event.usage)}


def end(event: AttemptFinished, usage: TokenUsage = USED) -> Ended:
    return Ended(event.job_id, (event.attempt,), usage)


@given(some.sets(some.text(max_size=8), max_size=50))
def test_what_was_seen_is_always_known(names: set[str]) -> None:
    seen = Seen(expected=1)
    for name in names:
        seen.add(name)
    assert all(name in seen for name in names)


def test_what_was_not_seen_is_hardly_ever_taken_for_it() -> None:
    seen = Seen(expected=20_000)
    new = sum(seen.add(f"job_{number}") for number in range(20_000))
    assert new > 19_990
    assert sum(f"job_{number}" in seen for number in range(20_000, 40_000)) < 10


def test_a_call_that_is_told_twice_is_one() -> None:
    check, event = UsageCheck(1), a_call()
    check.compare([Told(event, True), Told(event, True)], row(event))
    assert (check.events, check.differences) == (1, [])


def test_whichever_event_agrees_with_the_row_the_other_is_no_difference() -> None:
    event = a_call()
    other = a_call(job_id=event.job_id, status=AttemptStatus.ABANDONED)
    for told in ([event, other], [other, event]):
        check = UsageCheck(1)
        for each in told:
            check.compare([Told(each, True)], row(event))
        assert check.differences == []
        assert check.is_contested(attempt(event))


def test_an_end_is_not_held_against_a_call_of_which_events_say_different_things() -> None:
    event = a_call()
    other = a_call(job_id=event.job_id, usage=TokenUsage(output=99))
    check = UsageCheck(1)
    check.compare([Told(event, True), Told(other, True)], row(event))
    assert ends_compared([end(event, other.usage)], row(event), check) == []
    assert ends_compared([end(event, other.usage)], row(event), UsageCheck(1))


def test_a_call_that_waits_misses_nowhere() -> None:
    check, event = UsageCheck(1), a_call()
    check.compare([Told(event, False), Told(event, False)], {})
    assert (check.waiting, check.differences) == (1, [])
    assert ends_compared([end(event)], {}, check) == []
    assert not check.is_contested(attempt(event))
    check.compare([Told(a_call(job_id=event.job_id, usage=TokenUsage(output=1)), False)], {})
    assert check.is_contested(attempt(event))


def test_a_row_without_an_event_is_named() -> None:
    check, event, forged = UsageCheck(1), a_call(), a_call()
    check.compare([Told(event, True)], row(event))
    check.rows_seen([attempt(event), attempt(forged)])
    assert [each.what for each in check.differences] == [forged.attempt_id]


def test_no_more_differences_are_remembered_than_anybody_reads() -> None:
    check = UsageCheck(1)
    check.compare([Told(a_call(), True) for _ in range(1100)], {})
    assert len(check.differences) == 1000
