"""When is a deployment left alone, for how long, and what brings it back?"""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.router_worker.failures import FailureKind
from services.router_worker.resilience.breaker import (
    Breaker,
    Opened,
    State,
    answered,
    began,
    ended,
    failed,
    heard,
    room,
    state_of,
)
from shared.config.patience import Breaker as Rules

RULES = Rules(failures_in_a_row=3, failure_rate=0.5, window_seconds=10, least_calls=10, open_seconds=4, probes=2)
WHY = FailureKind.SERVER_ERROR


def fails(breaker: Breaker, now: float, times: int = 1, rules: Rules = RULES) -> Breaker:
    for _ in range(times):
        begun = began(breaker)
        breaker = failed(begun, rules, begun.era, WHY, now, jitter=0.0)
    return breaker


def succeeds(breaker: Breaker, now: float, times: int = 1) -> Breaker:
    for _ in range(times):
        begun = began(breaker)
        breaker = ended(answered(begun, RULES, begun.era), RULES, begun.era, now, succeeded=True)
    return breaker


def test_so_many_failures_in_a_row_open_it_and_one_less_does_not() -> None:
    assert state_of(fails(Breaker(), 100, 2), 100) is State.CLOSED
    breaker = fails(Breaker(), 100, 3)
    assert state_of(breaker, 100) is State.OPEN
    assert breaker.because is WHY
    assert room(breaker, RULES, 100) == 0


def test_a_success_between_them_begins_the_row_anew() -> None:
    breaker = fails(succeeds(fails(Breaker(), 100, 2), 100), 100, 2)
    assert state_of(breaker, 100) is State.CLOSED


def test_so_large_a_part_of_the_calls_opens_it_once_there_are_enough() -> None:
    breaker = Breaker()
    for _ in range(4):
        breaker = fails(succeeds(breaker, 100), 100)
    assert state_of(breaker, 100) is State.CLOSED, "eight calls are too few to tell"
    breaker = fails(succeeds(breaker, 100), 100)
    assert state_of(breaker, 100) is State.OPEN


def test_what_lies_behind_the_window_is_forgotten() -> None:
    breaker = Breaker()
    for _ in range(4):
        breaker = fails(succeeds(breaker, 100), 100)
    assert state_of(fails(succeeds(breaker, 111), 111), 111) is State.CLOSED


def test_the_opening_time_doubles_with_each_failed_try_up_to_the_longest() -> None:
    breaker, now, lengths = fails(Breaker(), 100, 3), 100.0, []
    for _ in range(6):
        lengths.append(breaker.until - now)
        now = breaker.until
        assert state_of(breaker, now) is State.HALF_OPEN
        breaker = fails(breaker, now)
    assert lengths == [2, 4, 8, 15, 15, 15], (
        "half of 4, 8, 16 and 30: the lower half is certain, and no jitter was drawn"
    )


def test_half_open_it_lets_in_a_few_and_closes_when_as_many_are_answered() -> None:
    breaker = fails(Breaker(), 100, 3)
    now = breaker.until
    one = began(breaker)
    both = began(one)
    assert [room(each, RULES, now) for each in (breaker, one, both)] == [2, 1, 0]
    once = answered(both, RULES, both.era)
    assert state_of(once, now) is State.HALF_OPEN
    assert state_of(answered(once, RULES, both.era), now) is State.CLOSED


def test_a_try_that_ends_without_saying_anything_makes_room_for_another() -> None:
    breaker = fails(Breaker(), 100, 3)
    trying = began(began(breaker))
    assert room(trying, RULES, breaker.until) == 0
    assert room(ended(trying, RULES, trying.era, breaker.until, succeeded=False), RULES, breaker.until) == 1


def test_calls_that_were_under_way_when_it_opened_neither_prolong_nor_shorten_it() -> None:
    under_way = began(Breaker())
    breaker = fails(under_way, 100, 3)
    late = failed(breaker, RULES, under_way.era, WHY, 101, jitter=0.5)
    assert late == breaker
    assert answered(breaker, RULES, under_way.era) == breaker
    assert ended(breaker, RULES, under_way.era, 101, succeeded=True) == breaker


def test_what_says_nothing_against_a_deployment_never_opens_it() -> None:
    breaker = Breaker()
    for _ in range(100):
        breaker = ended(began(breaker), RULES, breaker.era, 100, succeeded=False)
    assert breaker == Breaker()


def test_what_another_worker_found_is_kept_as_well() -> None:
    told = Opened(seconds=8, openings=2, because=FailureKind.CONNECT)
    breaker = heard(Breaker(), told, 100)
    assert state_of(breaker, 107) is State.OPEN
    assert breaker.until == 108
    assert breaker.because is FailureKind.CONNECT
    assert fails(breaker, 108).until == 108 + 8, "it goes on where the other was: half of 16"


def test_a_try_that_is_under_way_when_another_worker_finds_it_still_broken_closes_nothing() -> None:
    breaker = fails(Breaker(), 100, 3)
    trying = began(began(breaker))
    told = heard(trying, Opened(5, 2, WHY), breaker.until)
    assert answered(answered(told, RULES, trying.era), RULES, trying.era) == told


def test_what_is_over_by_now_is_not_heard() -> None:
    assert heard(Breaker(), Opened(0, 1, WHY), 100) == Breaker()


def test_the_same_opening_that_comes_back_by_another_way_begins_no_other_era() -> None:
    breaker = fails(Breaker(), 100, 3)
    assert heard(breaker, Opened(breaker.until - 100 + 0.05, 1, WHY), 100) == breaker


def test_without_a_rate_no_window_is_kept() -> None:
    rules = Rules(failures_in_a_row=3, failure_rate=None)
    breaker = fails(fails(Breaker(), 100, 2, rules), 100, 1, rules)
    assert state_of(breaker, 100) is State.OPEN


def test_a_breaker_that_nothing_could_open_is_refused() -> None:
    with pytest.raises(ValidationError, match="switches it off"):
        Rules(failures_in_a_row=None, failure_rate=None)


@dataclass
class Played:
    """A worker that keeps to the breaker's word, and what it has seen."""

    breaker: Breaker = Breaker()
    now: float = 1000.0
    under_way: list[int] = field(default_factory=list)


steps = st.one_of(
    st.tuples(st.just("passes"), st.floats(0, 20)),
    st.tuples(st.just("begins"), st.none()),
    st.tuples(st.sampled_from(["answers", "succeeds", "fails", "says nothing"]), st.integers(0, 30)),
    st.tuples(st.just("hears"), st.builds(Opened, st.floats(-1, 40), st.integers(1, 5), st.just(WHY))),
)


@given(st.lists(steps, max_size=80), st.floats(0, 1, exclude_max=True))
def test_whatever_happens_nobody_calls_too_soon_and_nothing_shortens_what_was_found(
    story: list[tuple[str, object]], jitter: float
) -> None:
    world = Played()
    for what, value in story:
        before = world.breaker
        if what == "passes":
            assert isinstance(value, float)
            world.now += value
        elif what == "begins":
            if room(before, RULES, world.now) > 0:
                world.breaker = began(before)
                world.under_way.append(world.breaker.era)
        elif what == "hears":
            assert isinstance(value, Opened)
            world.breaker = heard(before, value, world.now)
            assert world.breaker.until >= before.until, "no worker shortens another's finding"
            assert world.breaker.until >= min(world.now + value.seconds, before.until) or value.seconds <= 0
        elif world.under_way:
            assert isinstance(value, int)
            era = world.under_way[value % len(world.under_way)]
            if what == "answers":
                world.breaker = answered(before, RULES, era)
            else:
                world.under_way.remove(era)
                if what == "fails":
                    world.breaker = failed(before, RULES, era, WHY, world.now, jitter)
                else:
                    world.breaker = ended(before, RULES, era, world.now, succeeded=what == "succeeds")
            if state_of(before, world.now) is State.OPEN:
                assert world.breaker == before, "what was under way says nothing"
        check(world)


def check(world: Played) -> None:
    breaker, state = world.breaker, state_of(world.breaker, world.now)
    own = world.under_way.count(breaker.era)
    assert breaker.probing == (own if breaker.openings else 0), "every try is accounted for"
    if state is State.OPEN:
        assert own == 0, "nobody called it while it was open"
        assert breaker.until - world.now <= max(RULES.most_open_seconds, 40) + 1e-6
        assert room(breaker, RULES, world.now) == 0
    if state is State.HALF_OPEN:
        assert own <= RULES.probes
