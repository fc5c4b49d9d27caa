"""In which order each strategy asks."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router_worker.routing.odds import Lot, Odds
from services.router_worker.routing.strategies import STRATEGIES
from shared.config.schema import Model
from shared.money import Nanodollars

LOTS = st.builds(Lot, st.integers(0, 10**9), st.floats(0, 1, exclude_max=True))
ODDS = st.builds(
    Odds,
    weight=st.integers(1, 10**6),
    in_flight=st.integers(0, 10**4),
    first_token_seconds=st.none() | st.floats(0.001, 600),
    cost=st.none() | st.integers(0, 10**12).map(Nanodollars),
)
WEIGHTS = [Odds(3), Odds(1), Odds(2)]
DRAWS = [(number + 0.5) / 600 for number in range(600)]


def names(strategy: str, odds: Sequence[Odds], turn: int = 0, draw: float = 0.0) -> str:
    return "".join("abcdefgh"[index] for index in STRATEGIES[strategy](odds, Lot(turn, draw)))


def test_every_strategy_that_can_be_configured_exists() -> None:
    assert set(STRATEGIES) == set(get_args(Model.model_fields["strategy"].annotation))


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
@given(odds=st.lists(ODDS, min_size=1, max_size=6), lot=LOTS)
def test_every_strategy_asks_each_deployment_once(strategy: str, odds: list[Odds], lot: Lot) -> None:
    assert sorted(STRATEGIES[strategy](odds, lot)) == list(range(len(odds)))


@given(odds=st.lists(ODDS, min_size=1, max_size=6), lot=LOTS)
def test_priority_never_changes(odds: list[Odds], lot: Lot) -> None:
    assert list(STRATEGIES["priority"](odds, lot)) == list(range(len(odds)))


def test_lots_are_drawn_as_often_as_the_weights_say() -> None:
    assert Counter(names("weighted", WEIGHTS, draw=draw)[0] for draw in DRAWS) == {"a": 300, "b": 100, "c": 200}


def test_who_follows_is_drawn_by_weight_too() -> None:
    seconds = Counter(order[1] for draw in DRAWS if (order := names("weighted", WEIGHTS, draw=draw))[0] == "a")
    assert seconds == {"b": 100, "c": 200}


def test_turns_are_taken_as_often_as_the_weights_say() -> None:
    firsts = Counter(names("round-robin", WEIGHTS, turn)[0] for turn in range(600))
    assert firsts == {"a": 300, "b": 100, "c": 200}


def test_a_heavy_deployments_turns_are_spread() -> None:
    firsts = "".join(names("round-robin", [Odds(60), Odds(40)], turn)[0] for turn in range(200))
    assert firsts.count("a") == 120
    assert "aaa" not in firsts


def test_the_others_follow_as_in_a_ring() -> None:
    assert {names("round-robin", WEIGHTS, turn) for turn in range(6)} == {"abc", "bca", "cab"}


@given(odds=st.lists(ODDS, min_size=1, max_size=6), lot=LOTS)
def test_nobody_with_fewer_calls_for_its_weight_comes_later(odds: list[Odds], lot: Lot) -> None:
    order = [odds[index] for index in STRATEGIES["least-in-flight"](odds, lot)]
    for one, following in itertools.pairwise(order):
        assert one.in_flight * following.weight <= following.in_flight * one.weight


def test_the_idle_take_turns() -> None:
    assert "".join(names("least-in-flight", [Odds(), Odds(), Odds()], turn)[0] for turn in range(6)) == "abcabc"


@given(odds=st.lists(ODDS, min_size=3, max_size=6), lot=LOTS)
def test_the_slowest_of_all_is_never_asked_first(odds: list[Odds], lot: Lot) -> None:
    slowest = replace(odds[0], first_token_seconds=601.0, in_flight=10**4 + 1)
    assert STRATEGIES["latency"]([slowest, *odds[1:]], lot)[0] != 0


def test_each_pair_is_drawn_equally_often() -> None:
    quick = [Odds(first_token_seconds=seconds) for seconds in (1.0, 2.0, 3.0)]
    assert Counter(names("latency", quick, draw=draw)[0] for draw in DRAWS) == {"a": 400, "b": 200}


def test_calls_that_run_there_count_against_a_quick_one() -> None:
    assert names("latency", [Odds(in_flight=9, first_token_seconds=0.3), Odds(first_token_seconds=1.0)]) == "ba"


def test_who_was_not_asked_lately_is_tried_by_a_few_at_once() -> None:
    known = Odds(first_token_seconds=2.5)
    assert names("latency", [known, Odds()]) == "ba"
    assert names("latency", [known, Odds(in_flight=3)]) == "ab"


@given(odds=st.lists(ODDS, min_size=1, max_size=6), lot=LOTS)
def test_the_cheaper_comes_before_the_dearer_and_the_unpriced_last(odds: list[Odds], lot: Lot) -> None:
    costs = [odds[index].cost for index in STRATEGIES["cost"](odds, lot)]
    priced = [cost for cost in costs if cost is not None]
    assert costs[: len(priced)] == sorted(priced)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=5), st.integers(0, 10**9))
def test_large_weights_cost_nothing(weights: list[int], turn: int) -> None:
    assert len(STRATEGIES["round-robin"]([Odds(weight) for weight in weights], Lot(turn))) == len(weights)
