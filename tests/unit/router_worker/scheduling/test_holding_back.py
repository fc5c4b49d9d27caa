"""Kinds that are held back: the others go, in their tenants' turns, and nobody loses a place by it."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.router_worker.scheduling.deficit import DeficitRoundRobin
from services.router_worker.scheduling.line import Line

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass(slots=True, eq=False)
class Job:
    tenant: str
    kind: str
    number: int
    cost: int = 1000
    waits: bool = True


def queued(*jobs: tuple[str, str]) -> DeficitRoundRobin[Job]:
    queue = DeficitRoundRobin[Job]({})
    for number, (tenant, kind) in enumerate(jobs):
        queue.enqueue(Job(tenant, kind, number))
    return queue


def gone(queue: DeficitRoundRobin[Job], *held_back: str) -> list[int]:
    numbers = []
    while (job := queue.next(held_back)) is not None:
        numbers.append(job.number)
    return numbers


def test_what_is_held_back_waits_and_what_stands_behind_it_goes() -> None:
    queue = queued(("a", "full"), ("a", "free"), ("a", "full"), ("a", "free"))
    assert gone(queue, "full") == [1, 3]
    assert gone(queue) == [0, 2]


def test_what_was_held_back_goes_before_what_came_later() -> None:
    queue = queued(("a", "full"), ("a", "full"))
    assert gone(queue, "full") == []
    queue.enqueue(Job("a", "full", 2))
    queue.enqueue(Job("a", "free", 3))
    assert gone(queue) == [0, 1, 2, 3]


def test_a_tenant_of_whom_all_is_held_back_saves_no_credit_up() -> None:
    queue = queued(*[("a", "full")] * 20, *[("b", "free")] * 10)
    gone(queue, "full")
    for number in range(30, 50):
        queue.enqueue(Job("b", "free", number))
    tenants = [job.tenant for _ in range(10) if (job := queue.next()) is not None]
    assert 4 <= Counter(tenants)["a"] <= 6


def test_the_last_slots_are_not_for_what_is_held_back_either() -> None:
    queue = queued(("a", "full"), ("b", "free"))
    early = queue.next_before_its_turn(lambda tenant, waiting: True, ["full"])
    assert early is not None
    assert early.tenant == "b"
    assert queue.next_before_its_turn(lambda tenant, waiting: True, ["full"]) is None


def test_a_deadline_ends_the_holding_back() -> None:
    line = Line[Job]({}, 0)
    line.join(Job("a", "full", 0), NOON, not_before=None, deadline=NOON + timedelta(seconds=5))
    assert line.next(NOON, 10, lambda tenant: 0, ["full"]) is None
    expired = line.next(NOON + timedelta(seconds=5), 10, lambda tenant: 0, ["full"])
    assert expired is not None
    assert len(line) == 0


kinds = st.sampled_from("xyz")
jobs = st.lists(st.tuples(st.sampled_from("abc"), kinds), max_size=60)
rounds = st.lists(st.sets(kinds), max_size=30)


@given(jobs, rounds, st.sets(st.integers(0, 59)))
def test_everybody_goes_once_and_each_kind_in_its_order(
    waiting: list[tuple[str, str]], rounds: list[set[str]], dismissed: set[int]
) -> None:
    queue = queued(*waiting)
    served: list[Job] = []
    for held_back in rounds:
        job = queue.next(held_back)
        if job is not None:
            assert job.kind not in held_back
            served.append(job)
    for job in list(queue.items()):
        if job.number in dismissed:
            job.waits = False
            queue.prune(job.tenant)
    queue.sweep()
    while (last := queue.next()) is not None:
        served.append(last)
    left_out = dismissed & set(range(len(waiting)))
    assert {job.number for job in served} | left_out == set(range(len(waiting)))
    assert len({job.number for job in served}) == len(served)
    for tenant in "abc":
        for kind in "xyz":
            numbers = [job.number for job in served if (job.tenant, job.kind) == (tenant, kind)]
            assert numbers == sorted(numbers)
