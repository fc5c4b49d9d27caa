"""What a job is expected to wait for is what stands before it, whoever asks, and no more."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.ingress.admission import Backlog, backlog_of, foresee, grown
from shared.load import LaneLoad

TENANTS = ("a", "b", "c", "d")
WEIGHTS = st.dictionaries(st.sampled_from(TENANTS), st.integers(1, 5))
WAITING = st.dictionaries(st.sampled_from(TENANTS), st.integers(0, 10_000))
BACKLOGS = st.builds(
    Backlog,
    slots=st.integers(1, 200),
    free=st.just(0),
    job_seconds=st.floats(0.01, 600),
    waiting=WAITING,
    unnamed=st.integers(0, 1000),
)


def seconds(backlog: Backlog, tenant: str = "a", weights: Mapping[str, int] | None = None) -> float:
    return foresee(backlog, tenant, weights or {}).expected.total_seconds()


def a_load(**fields: object) -> LaneLoad:
    standard = {"slots": 8, "free": 0, "job_seconds": 4.0, "waiting": {}, "unnamed": 0, "partitions": (0,)}
    return LaneLoad.model_validate(standard | fields)


def test_with_a_free_slot_and_nothing_waiting_nobody_waits() -> None:
    assert seconds(Backlog(slots=8, free=1, job_seconds=60)) == 0


def test_when_all_slots_are_taken_the_next_one_to_come_free_is_waited_for() -> None:
    assert seconds(Backlog(slots=8, free=0, job_seconds=60)) == 60 / 8


def test_a_tenant_alone_waits_for_all_it_has() -> None:
    assert seconds(Backlog(slots=10, free=0, job_seconds=2, waiting={"a": 99})) == 100 * 2 / 10


def test_who_has_nothing_waiting_hardly_waits_for_a_flood() -> None:
    flooded = Backlog(slots=10, free=0, job_seconds=2, waiting={"b": 100_000})
    assert seconds(flooded) == 2 * 2 / 10
    assert seconds(flooded, "b") == 100_001 * 2 / 10


def test_of_others_as_much_is_served_meanwhile_as_their_weight_says() -> None:
    backlog = Backlog(slots=1, free=0, job_seconds=1, waiting={"a": 9, "b": 1000})
    assert seconds(backlog, "a", {"a": 1, "b": 3}) == 9 + 30 + 1
    assert seconds(backlog, "a", {"a": 5, "b": 1}) == 9 + 2 + 1


def test_what_nobody_has_read_yet_stands_before_everybody() -> None:
    assert seconds(Backlog(slots=1, free=0, job_seconds=1, unnamed=50)) == 51


@given(BACKLOGS, WEIGHTS)
def test_nobody_waits_longer_than_until_everything_has_begun(backlog: Backlog, weights: Mapping[str, int]) -> None:
    everything = sum(backlog.waiting.values()) + backlog.unnamed + 1
    for tenant in TENANTS:
        wait = foresee(backlog, tenant, weights)
        assert timedelta() <= wait.of_others <= wait.expected
        most = everything * backlog.job_seconds / backlog.slots
        assert wait.expected.total_seconds() <= most * (1 + 1e-9) + 1e-5


@given(BACKLOGS, WEIGHTS)
def test_more_before_a_job_never_makes_its_wait_shorter(backlog: Backlog, weights: Mapping[str, int]) -> None:
    for tenant in TENANTS:
        more = replace(backlog, waiting={**backlog.waiting, tenant: backlog.waiting.get(tenant, 0) + 1})
        for waiting in TENANTS:
            assert seconds(more, waiting, weights) >= seconds(backlog, waiting, weights)
    assert seconds(replace(backlog, slots=backlog.slots + 1)) <= seconds(backlog)


@given(BACKLOGS, WAITING, st.floats(0, 10))
def test_what_was_promised_since_counts_as_far_as_it_cannot_have_begun(
    backlog: Backlog, promised: Mapping[str, int], since: float
) -> None:
    later = grown(backlog, promised, since)
    added = sum(later.waiting.values()) - sum(backlog.waiting.values())
    begun = since * backlog.slots / backlog.job_seconds
    assert abs(added - max(0.0, sum(promised.values()) - begun)) < 1e-6 * (1 + sum(promised.values()))
    assert all(later.waiting.get(tenant, 0) >= jobs for tenant, jobs in backlog.waiting.items())


def test_several_workers_count_together_by_their_slots() -> None:
    loads = [a_load(waiting={"a": 3, "b": 1}), a_load(slots=24, free=2, job_seconds=8.0, waiting={"a": 4}, unnamed=5)]
    assert backlog_of(loads) == Backlog(32, 2, 7.0, {"a": 7, "b": 1}, 5)


def test_workers_that_take_no_jobs_are_none() -> None:
    assert backlog_of([a_load(slots=0, waiting={"a": 3})]) is None
    assert backlog_of([]) is None
