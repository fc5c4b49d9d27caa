"""The line: time, slots and turns together decide who goes."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router_worker.scheduling.line import Line, reserve_of

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass(slots=True, eq=False)
class Job:
    tenant: str = "a"
    cost: int = 1000
    kind: str = "m"
    waits: bool = True


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class Lane:
    """Slots around a line, as the worker has them: jobs hold theirs until they end."""

    def __init__(self, slots: int, weights: dict[str, int] | None = None) -> None:
        self.line = Line[Job](weights or {}, reserve_of(slots))
        self.slots = slots
        self.running: list[Job] = []

    def join(self, *jobs: Job, not_before: float | None = None, deadline: float | None = None) -> None:
        for job in jobs:
            self.line.join(
                job,
                NOON,
                not_before=None if not_before is None else at(not_before),
                deadline=None if deadline is None else at(deadline),
            )

    def held(self, tenant: str) -> int:
        return sum(job.tenant == tenant for job in self.running)

    def go(self, seconds: float = 0) -> list[Job]:
        """Everybody who may go at that second."""
        gone = []
        while (job := self.line.next(at(seconds), self.slots - len(self.running), self.held)) is not None:
            self.running.append(job)
            gone.append(job)
        return gone


def flood(count: int, tenant: str = "a") -> list[Job]:
    return [Job(tenant) for _ in range(count)]


def test_a_tenant_alone_gets_all_but_the_reserve() -> None:
    lane = Lane(80)
    lane.join(*flood(1000))
    assert len(lane.go()) == 70


def test_those_who_could_go_are_counted_by_tenant() -> None:
    lane = Lane(1)
    lane.join(*flood(4), *flood(2, "b"))
    lane.join(*flood(3, "c"), not_before=60)
    lane.go()
    assert lane.line.standing() == {"a": 3, "b": 2}


def test_a_few_jobs_need_nobody_to_end() -> None:
    lane = Lane(80)
    lane.join(*flood(1000))
    lane.go()
    lane.join(*flood(10, "b"))
    assert [job.tenant for job in lane.go()] == ["b"] * 10


def test_the_reserve_is_not_for_a_second_flood() -> None:
    lane = Lane(80)
    lane.join(*flood(1000))
    lane.go()
    lane.join(*flood(1000, "b"))
    assert lane.go() == []
    del lane.running[:2]
    assert sorted(job.tenant for job in lane.go()) == ["a", "b"]


def test_small_lanes_reserve_nothing() -> None:
    lane = Lane(5)
    lane.join(*flood(9))
    assert len(lane.go()) == 5


@pytest.mark.parametrize("weights", [{"a": 1, "b": 2, "c": 5}, {"a": 1, "b": 1, "c": 8}, {"a": 1, "b": 1, "c": 1}])
def test_weights_hold_among_those_who_have_a_backlog(weights: dict[str, int]) -> None:
    lane = Lane(64, weights)
    for name in weights:
        lane.join(*flood(2000, name))
    ended: Counter[str] = Counter()
    for _ in range(1000):
        lane.go()
        ended[lane.running.pop(0).tenant] += 1
    for name, weight in weights.items():
        assert 0.95 <= ended[name] / (1000 * weight / sum(weights.values())) <= 1.05


def test_nobody_goes_before_its_time_and_the_line_says_when_to_look_again() -> None:
    lane = Lane(8)
    early, late = Job(), Job()
    lane.join(late, not_before=60)
    lane.join(early, not_before=30)
    assert lane.go() == []
    assert lane.line.wakes_at() == at(30)
    assert lane.go(30) == [early]
    assert lane.line.wakes_at() == at(60)
    assert lane.go(60) == [late]
    assert lane.line.wakes_at() is None


def test_a_deadline_that_passes_in_the_line_sends_the_job_at_once_even_without_a_slot() -> None:
    lane = Lane(5)
    hurried = Job()
    lane.join(*flood(100))
    lane.join(hurried, deadline=10)
    lane.go()
    assert lane.line.wakes_at() == at(10)
    assert lane.go(9.9) == []
    assert lane.go(10) == [hurried]


def test_a_deadline_ends_a_sleep_that_would_be_longer() -> None:
    lane = Lane(5)
    lane.join(Job(), not_before=60, deadline=10)
    assert len(lane.go(10)) == 1


def test_expired_jobs_do_not_come_all_at_once() -> None:
    lane = Lane(8)
    lane.join(*flood(8, "b"))
    lane.go()
    lane.join(*flood(500), deadline=10)
    assert len(lane.go(11)) == 16 + 8 - 7


def test_what_is_dismissed_never_goes_wherever_it_stood() -> None:
    lane = Lane(8)
    standing, sleeping, hurried = flood(3), flood(3, "b"), flood(3, "c")
    lane.join(*standing)
    lane.join(*sleeping, not_before=5)
    lane.join(*hurried, deadline=4)
    lane.line.next(at(5), -99, lane.held)  # passes the time, lets nobody go
    kept = {id(group[1]) for group in (standing, sleeping, hurried)}
    lane.line.dismiss(lambda job: id(job) not in kept)
    assert len(lane.line) == 3
    assert {id(job) for job in lane.go(6)} == kept
    assert len(lane.line) == 0


moments = st.one_of(st.none(), st.integers(0, 40))
arrivals = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9000), moments, moments), max_size=80)


@given(arrivals, st.integers(1, 30))
def test_everybody_goes_exactly_once_in_the_end(
    arriving: list[tuple[str, int, int | None, int | None]], slots: int
) -> None:
    lane = Lane(slots)
    jobs = [Job(tenant, cost) for tenant, cost, _, _ in arriving]
    for job, (_, _, not_before, deadline) in zip(jobs, arriving, strict=True):
        lane.join(job, not_before=not_before, deadline=deadline)
    gone: list[Job] = []
    for second in range(45):
        gone += lane.go(second)
    while lane.running:
        lane.running.pop(0)
        gone += lane.go(45)
    assert Counter(map(id, gone)) == Counter(map(id, jobs))
    assert len(lane.line) == 0


@given(arrivals)
def test_nobody_goes_before_its_time_unless_its_deadline_came_first(
    arriving: list[tuple[str, int, int | None, int | None]],
) -> None:
    lane = Lane(10_000)
    times = {}
    for tenant, cost, not_before, deadline in arriving:
        job = Job(tenant, cost)
        lane.join(job, not_before=not_before, deadline=deadline)
        times[id(job)] = min(x for x in (not_before or 0, deadline if deadline is not None else 99))
    for second in range(45):
        for job in lane.go(second):
            assert second >= times[id(job)]
            del times[id(job)]
    assert not times
