"""Deficit round robin: nobody starves, weights hold, no slot stays empty while somebody waits."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from services.router_worker.scheduling.deficit import DeficitRoundRobin


@dataclass(slots=True, eq=False)
class Job:
    tenant: str
    cost: int
    number: int = 0
    """Within its tenant."""
    kind: str = "m"
    waits: bool = True


tenants = st.sampled_from("abcdef")
costs = st.integers(0, 50_000)
weights = st.dictionaries(tenants, st.integers(1, 20))
arrivals = st.lists(st.tuples(tenants, costs), max_size=120)


def jobs(*waiting: tuple[str, int]) -> list[Job]:
    numbers: Counter[str] = Counter()
    made = []
    for tenant, cost in waiting:
        made.append(Job(tenant, cost, numbers[tenant]))
        numbers[tenant] += 1
    return made


def queued(weights: dict[str, int], *waiting: tuple[str, int]) -> DeficitRoundRobin[Job]:
    queue = DeficitRoundRobin[Job](weights)
    for job in jobs(*waiting):
        queue.enqueue(job)
    return queue


def drained(queue: DeficitRoundRobin[Job], most: int = 10_000) -> list[Job]:
    served: list[Job] = []
    while len(served) < most and (job := queue.next()) is not None:
        served.append(job)
    return served


def owners(served: list[Job]) -> str:
    return "".join(job.tenant for job in served)


@given(weights, arrivals)
def test_everything_that_waits_goes_once_and_a_tenants_jobs_in_their_order(
    weights: dict[str, int], waiting: list[tuple[str, int]]
) -> None:
    served = drained(queued(weights, *waiting))
    assert Counter((job.tenant, job.cost) for job in served) == Counter(waiting)
    for name in "abcdef":
        numbers = [job.number for job in served if job.tenant == name]
        assert numbers == sorted(numbers)


@given(weights, st.lists(st.one_of(st.none(), st.tuples(tenants, costs)), max_size=200))
def test_somebody_goes_whenever_anybody_waits(weights: dict[str, int], script: list[tuple[str, int] | None]) -> None:
    """None takes one out, anything else puts one in."""
    queue = DeficitRoundRobin[Job](weights)
    waiting = 0
    for arrival in script:
        if arrival is not None:
            queue.enqueue(Job(*arrival))
            waiting += 1
        elif waiting:
            assert queue.next() is not None
            waiting -= 1
        else:
            assert queue.next() is None
        assert len(list(queue.items())) == waiting


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
        queue.enqueue(Job(name, seed.randint(1, largest[name])))

    for name in names:
        arrives(name)
        arrives(name)
    given_to: Counter[str] = Counter()
    for _ in range(600):
        job = queue.next()
        assert job is not None
        given_to[job.tenant] += job.cost
        arrives(job.tenant)
        dues = {each: given_to[each] / weights[each] for each in names}
        slack = max(largest[each] / weights[each] for each in names) + 256
        assert max(dues.values()) - min(dues.values()) <= 2 * slack


def test_weights_hold_within_a_tenth_over_a_few_hundred_jobs() -> None:
    queue = queued({"a": 1, "b": 3}, *[("a", 1500)] * 1000, *[("b", 600)] * 1000)
    tokens: Counter[str] = Counter()
    for job in drained(queue, 400):
        tokens[job.tenant] += job.cost
    assert 0.9 <= tokens["b"] / (3 * tokens["a"]) <= 1.1


def test_a_few_jobs_do_not_stand_behind_a_flood() -> None:
    queue = queued({}, *[("f", 1500)] * 10_000)
    drained(queue, 137)
    for job in jobs(*[("few", 1500)] * 20):
        queue.enqueue(job)
    assert owners(drained(queue, 42)).count("few") == 20


def test_one_gigantic_job_neither_hangs_the_queue_nor_goes_before_its_turn() -> None:
    queue = queued({}, ("g", 10**15), *[("a", 1000)] * 50, *[("b", 1000)] * 50)
    assert owners(drained(queue))[-1] == "g"


def test_a_heavy_tenant_does_not_go_in_long_rows() -> None:
    queue = queued({"h": 9}, *[("h", 1500)] * 90, *[("l", 1500)] * 10)
    assert max(map(len, owners(drained(queue)).split("l"))) <= 10


def test_time_without_work_earns_no_credit() -> None:
    queue = queued({"a": 20}, ("a", 10))
    drained(queue)
    for _ in range(40):
        queue.enqueue(Job("a", 1000))
        queue.enqueue(Job("b", 1000))
    assert "b" in owners(drained(queue, 21))


def test_who_goes_before_its_turn_pays_for_it_later() -> None:
    queue = queued({}, *[("a", 1000)] * 40, *[("b", 1000)] * 40)
    for _ in range(5):
        assert queue.next_before_its_turn(lambda tenant, waiting: tenant == "b") is not None
    order = owners(drained(queue, 40))
    assert order.startswith("aaaaa")
    assert abs(order.count("a") - order.count("b") - 5) <= 1


def test_of_those_who_may_go_early_the_one_that_owes_least_goes() -> None:
    queue = queued({}, *[("a", 1000)] * 9, *[("b", 1000)] * 9, *[("c", 1000)] * 9)
    early = [queue.next_before_its_turn(lambda tenant, waiting: tenant != "c") for _ in range(8)]
    assert Counter(job.tenant for job in early if job) == {"a": 4, "b": 4}


def test_nobody_goes_early_who_may_not() -> None:
    queue = queued({}, *[("a", 1)] * 3, ("b", 1))
    assert queue.next_before_its_turn(lambda tenant, waiting: tenant == "a" and waiting < 3) is None
    queue.next()
    assert queue.next_before_its_turn(lambda tenant, waiting: waiting < 3) is not None


@given(weights, arrivals, tenants)
def test_what_has_gone_by_another_way_never_goes_again_and_costs_nothing(
    weights: dict[str, int], waiting: list[tuple[str, int]], leaving: str
) -> None:
    queue = DeficitRoundRobin[Job](weights)
    made = jobs(*waiting)
    for job in made:
        queue.enqueue(job)
    for job in made:
        if job.tenant == leaving and job.number % 2:
            job.waits = False
            queue.prune(leaving)
    assert Counter((job.tenant, job.number) for job in drained(queue)) == Counter(
        (job.tenant, job.number) for job in made if job.waits
    )


@given(weights, arrivals, tenants)
def test_many_may_leave_at_once(weights: dict[str, int], waiting: list[tuple[str, int]], leaving: str) -> None:
    queue = DeficitRoundRobin[Job](weights)
    made = jobs(*waiting)
    for job in made:
        queue.enqueue(job)
        job.waits = job.tenant != leaving
    queue.sweep()
    assert sorted(owners(drained(queue))) == sorted(job.tenant for job in made if job.waits)


def test_what_is_held_back_is_counted_by_kind_and_tenant_and_apart_from_what_could_go() -> None:
    queue = DeficitRoundRobin[Job]({})
    for tenant, kind in (("a", "full"), ("a", "full"), ("a", "m"), ("b", "full"), ("b", "m"), ("b", "m")):
        queue.enqueue(Job(tenant, 1, kind=kind))
    assert queue.next(held_back=["full"]) is not None
    assert queue.next(held_back=["full"]) is not None
    assert queue.aside() == {"full": {"a": 2, "b": 1}}
    assert sum(queue.standing().values()) == 1


def test_a_weight_that_changes_counts_for_a_backlog_that_never_ends() -> None:
    weights = {"a": 1}
    queue = queued(weights, *[("a", 100), ("b", 100)] * 300)
    weights["a"] = 3
    for job in jobs(("a", 100), ("b", 100)):
        queue.enqueue(job)
    first = owners(drained(queue, 200))
    assert 2.5 < first.count("a") / first.count("b") < 3.5
