"""Deficit round robin: nobody starves, weights hold, no slot stays empty while somebody waits."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.router_worker.scheduling.deficit import DeficitRoundRobin

Job = tuple[str, int, int]
"""Tenant, cost, number within its tenant."""

tenants = st.sampled_from("abcdef")
costs = st.integers(0, 50_000)
weights = st.dictionaries(tenants, st.integers(1, 20))
arrivals = st.lists(st.tuples(tenants, costs), max_size=120)


def queued(weights: dict[str, int], *waiting: tuple[str, int]) -> DeficitRoundRobin[Job]:
    queue = DeficitRoundRobin[Job](weights)
    numbers: Counter[str] = Counter()
    for tenant, cost in waiting:
        queue.enqueue(tenant, cost, (tenant, cost, numbers[tenant]))
        numbers[tenant] += 1
    return queue


def drained(queue: DeficitRoundRobin[Job], most: int = 10_000) -> list[Job]:
    served: list[Job] = []
    while len(served) < most and (job := queue.next()) is not None:
        served.append(job)
    return served


@given(weights, arrivals)
def test_everything_that_waits_goes_once_and_a_tenants_jobs_in_their_order(
    weights: dict[str, int], waiting: list[tuple[str, int]]
) -> None:
    served = drained(queued(weights, *waiting))
    assert Counter((tenant, cost) for tenant, cost, _ in served) == Counter(waiting)
    for name in "abcdef":
        numbers = [number for tenant, _, number in served if tenant == name]
        assert numbers == sorted(numbers)


@given(weights, st.lists(st.one_of(st.none(), st.tuples(tenants, costs)), max_size=200))
def test_somebody_goes_whenever_anybody_waits(weights: dict[str, int], script: list[tuple[str, int] | None]) -> None:
    """None takes one out, anything else puts one in."""
    queue = DeficitRoundRobin[int](weights)
    waiting = 0
    for step, arrival in enumerate(script):
        if arrival is not None:
            queue.enqueue(*arrival, step)
            waiting += 1
        elif waiting:
            assert queue.next() is not None
            waiting -= 1
        else:
            assert queue.next() is None
        assert len(queue) == waiting


@given(
    shares=st.lists(st.integers(1, 10), min_size=2, max_size=6),
    sizes=st.lists(st.integers(1, 8_000), min_size=6, max_size=6),
    seed=st.randoms(use_true_random=False),
)
def test_of_tenants_that_always_wait_each_gets_tokens_by_its_weight(shares, sizes, seed) -> None:
    """As the theory says: none is ahead of its due by more than a grant and its largest job."""
    names = "abcdef"[: len(shares)]
    weights = dict(zip(names, shares, strict=True))
    queue = DeficitRoundRobin[Job](weights)
    largest = {name: 2 * size for name, size in zip(names, sizes, strict=False)}

    def arrives(name: str) -> None:
        cost = seed.randint(1, largest[name])
        queue.enqueue(name, cost, (name, cost, 0))

    for name in names:
        arrives(name)
        arrives(name)
    given_to: Counter[str] = Counter()
    for _ in range(600):
        name, cost, _number = queue.next() or ("", 0, 0)
        given_to[name] += cost
        arrives(name)
        dues = {each: given_to[each] / weights[each] for each in names}
        slack = max(largest[each] / weights[each] for each in names) + 256
        assert max(dues.values()) - min(dues.values()) <= 2 * slack


def test_weights_hold_within_a_tenth_over_a_few_hundred_jobs() -> None:
    queue = queued({"a": 1, "b": 3}, *[("a", 1500)] * 1000, *[("b", 600)] * 1000)
    tokens: Counter[str] = Counter()
    for tenant, cost, _ in drained(queue, 400):
        tokens[tenant] += cost
    assert 0.9 <= tokens["b"] / (3 * tokens["a"]) <= 1.1


def test_a_few_jobs_do_not_stand_behind_a_flood() -> None:
    queue = queued({}, *[("flood", 1500)] * 10_000)
    drained(queue, 137)
    for number in range(20):
        queue.enqueue("few", 1500, ("few", 1500, number))
    served = drained(queue, 42)
    assert sum(tenant == "few" for tenant, _, _ in served) == 20


def test_one_gigantic_job_neither_hangs_the_queue_nor_goes_before_its_turn() -> None:
    queue = queued({}, ("giant", 10**15), *[("a", 1000)] * 50, *[("b", 1000)] * 50)
    assert [tenant for tenant, _, _ in drained(queue)][-1] == "giant"


def test_a_heavy_tenant_does_not_go_in_long_rows() -> None:
    queue = queued({"heavy": 9}, *[("heavy", 1500)] * 90, *[("light", 1500)] * 10)
    order = "".join(tenant[0] for tenant, _, _ in drained(queue))
    assert max(map(len, order.split("l"))) <= 10


def test_time_without_work_earns_no_credit() -> None:
    queue = queued({"a": 20}, ("a", 10))
    drained(queue)
    for number in range(40):
        queue.enqueue("a", 1000, ("a", 1000, number))
        queue.enqueue("b", 1000, ("b", 1000, number))
    first = [tenant for tenant, _, _ in drained(queue, 21)]
    assert "b" in first


@given(weights, arrivals, tenants)
def test_what_is_forgotten_never_goes_and_nothing_else_is_lost(
    weights: dict[str, int], waiting: list[tuple[str, int]], gone: str
) -> None:
    queue = queued(weights, *waiting)
    queue.forget(lambda job: job[0] == gone)
    assert Counter((tenant, cost) for tenant, cost, _ in drained(queue)) == Counter(
        each for each in waiting if each[0] != gone
    )
