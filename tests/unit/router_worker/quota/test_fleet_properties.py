"""What holds for every fleet: the provider never has to refuse, nothing lies idle, and everybody comes in."""

from dataclasses import dataclass
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.router_worker.quota.book import Terms
from services.router_worker.quota.flow import MINUTE, Limit, flow_of
from shared.contracts import Lane
from tests.suites.quota import Calls, Shop, most_in_bucket, most_in_window

NETWORK, STALL = 0.02, 0.05


@dataclass(frozen=True)
class Load:
    workers: int
    calls: list[Calls]
    seed: int


@st.composite
def loads(draw: st.DrawFn, *, tokens: bool = False) -> Load:
    workers = draw(st.integers(1, 4))
    call = st.builds(
        Calls,
        at=st.floats(0, 20),
        worker=st.integers(0, workers - 1),
        count=st.integers(1, 60),
        lane=st.sampled_from(Lane),
        tokens=st.integers(1, 2000) if tokens else st.just(1),
    )
    return Load(workers, draw(st.lists(call, min_size=1, max_size=8)), draw(st.integers(0, 1000)))


def a_shop(load: Load, terms: Terms, *, lasts: float = 0.5) -> Shop:
    shop = Shop(terms, Random(load.seed), network=NETWORK, stall=STALL, lasts=lasts)
    shop.hire(load.workers, skew=1000)
    return shop


@settings(max_examples=40, deadline=None)
@given(loads(), st.integers(2, 200), st.sampled_from([0.5, 1.0, 5.0, 60.0]))
def test_a_bucket_is_never_overdrawn(load: Load, per_second: int, bucket: float) -> None:
    arrivals = a_shop(load, Terms(requests=flow_of(Limit(per_second * 60, MINUTE, bucket)))).run(load.calls, 60)
    allowed = max(1.0, per_second * bucket)
    assert most_in_bucket([(each.at, 1) for each in arrivals], per_second) <= allowed + per_second * NETWORK + 1e-6


@settings(max_examples=40, deadline=None)
@given(loads(), st.integers(3, 3000))
def test_no_minute_holds_more_than_the_limit_however_it_is_counted(load: Load, per_minute: int) -> None:
    arrivals = a_shop(load, Terms(requests=flow_of(Limit(per_minute, MINUTE)))).run(load.calls, 150)
    early = NETWORK * per_minute / MINUTE  # calls may catch up with one another on their way
    assert most_in_window([(each.at, 1) for each in arrivals], MINUTE) <= per_minute + early


@settings(max_examples=40, deadline=None)
@given(loads(tokens=True), st.integers(20_000, 2_000_000))
def test_no_minute_holds_more_tokens_than_the_limit_and_one_large_call(load: Load, per_minute: int) -> None:
    flow = flow_of(Limit(per_minute, MINUTE))
    arrivals = a_shop(load, Terms(tokens=flow)).run(load.calls, 150)
    sizes = [(each.at, each.tokens) for each in arrivals]
    largest = max((size for _, size in sizes if size * flow.unit > flow.burst), default=0)
    assert most_in_window(sizes, MINUTE) <= per_minute * (1 + NETWORK / MINUTE) + largest


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(5, 200), st.integers(0, 1000))
def test_as_long_as_somebody_waits_nothing_lies_idle(workers: int, per_second: int, seed: int) -> None:
    backlog = [Calls(0, worker, per_second * 40 // workers) for worker in range(workers)]
    shop = a_shop(Load(workers, backlog, seed), Terms(requests=flow_of(Limit(per_second, 1.0))))
    arrivals = shop.run(backlog, 30)
    assert len(arrivals) >= 0.98 * per_second * 30


@settings(max_examples=25, deadline=None)
@given(loads(), st.integers(20, 200))
def test_everybody_comes_in(load: Load, per_second: int) -> None:
    arrivals = a_shop(load, Terms(requests=flow_of(Limit(per_second, 1.0)))).run(load.calls, 60)
    assert len(arrivals) == sum(each.count for each in load.calls)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(40, 200), st.integers(0, 1000), st.floats(2, 10))
def test_an_interactive_call_does_not_wait_behind_a_batch(
    workers: int, per_second: int, seed: int, moment: float
) -> None:
    backlog = [Calls(0, worker, per_second * 20 // workers) for worker in range(workers)]
    calls = [*backlog, Calls(moment, 0, 1, Lane.INTERACTIVE)]
    shop = a_shop(Load(workers, calls, seed), Terms(requests=flow_of(Limit(per_second, 1.0))))
    (waited,) = [each.waited for each in shop.run(calls, 15) if each.lane is Lane.INTERACTIVE]
    assert waited < 3 * NETWORK + STALL + 0.05


@settings(max_examples=25, deadline=None)
@given(loads(), st.integers(1, 20), st.floats(0.05, 2))
def test_no_more_calls_are_open_than_there_are_places(load: Load, places: int, lasts: float) -> None:
    shop = a_shop(load, Terms(places=places), lasts=lasts)
    shop.run(load.calls, 600)
    assert shop.most_open <= places
    batch_alone = all(each.lane is Lane.BATCH for each in load.calls)
    assert not batch_alone or shop.most_open <= places - places // 8


@settings(max_examples=15, deadline=None)
@given(loads(), st.integers(1, 20))
def test_whoever_waits_for_a_place_gets_one(load: Load, places: int) -> None:
    shop = a_shop(load, Terms(places=places), lasts=0.05)
    arrivals = shop.run(load.calls, 600)
    assert len(arrivals) == sum(each.count for each in load.calls)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.floats(0.5, 5))
def test_a_worker_that_dies_takes_no_more_with_it_than_a_moments_calls(seed: int, moment: float) -> None:
    backlog = [Calls(0, worker, 2000) for worker in range(3)]
    shop = a_shop(Load(3, backlog, seed), Terms(requests=flow_of(Limit(50, 1.0))))
    shop.kill(0, moment)
    assert len(shop.run(backlog, 30)) >= 0.98 * 50 * 30 - 20


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.floats(0.5, 5))
def test_the_places_of_a_worker_that_dies_come_back(seed: int, moment: float) -> None:
    backlog = [Calls(0, worker, 500) for worker in range(2)]
    shop = a_shop(Load(2, backlog, seed), Terms(places=8), lasts=0.2)
    shop.kill(0, moment)
    late = [each for each in shop.run(backlog, 60) if each.worker == 1 and each.at > 1_000_000 + moment + 6]
    assert len(late) >= 100
