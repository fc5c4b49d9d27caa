"""In which order each strategy asks."""

from collections import Counter
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router_worker.routing.strategies import STRATEGIES
from shared.config.schema import Deployment, Model

DEPLOYMENTS = [Deployment(provider=name, weight=weight) for name, weight in (("a", 3), ("b", 1), ("c", 2))]


def names(strategy: str, turn: int) -> str:
    return "".join(deployment.provider for deployment in STRATEGIES[strategy](DEPLOYMENTS, turn))


def test_every_strategy_that_can_be_configured_exists() -> None:
    assert set(STRATEGIES) == set(get_args(Model.model_fields["strategy"].annotation))


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
@given(turn=st.integers(0, 10**9))
def test_every_strategy_asks_each_deployment_once(strategy: str, turn: int) -> None:
    assert sorted(names(strategy, turn)) == ["a", "b", "c"]


def test_priority_never_changes() -> None:
    assert {names("priority", turn) for turn in range(10)} == {"abc"}


def test_turns_are_taken_as_often_as_the_weights_say() -> None:
    firsts = Counter(names("round-robin", turn)[0] for turn in range(600))
    assert firsts == {"a": 300, "b": 100, "c": 200}


def test_a_heavy_deployments_turns_are_spread() -> None:
    deployments = [Deployment(provider="a", weight=60), Deployment(provider="b", weight=40)]
    firsts = "".join(STRATEGIES["round-robin"](deployments, turn)[0].provider for turn in range(200))
    assert firsts.count("a") == 120
    assert "aaa" not in firsts


def test_the_others_follow_as_in_a_ring() -> None:
    assert {names("round-robin", turn) for turn in range(6)} == {"abc", "bca", "cab"}


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=5), st.integers(0, 10**9))
def test_large_weights_cost_nothing(weights: list[int], turn: int) -> None:
    deployments = [Deployment(provider=f"p{number}", weight=weight) for number, weight in enumerate(weights)]
    assert len(STRATEGIES["round-robin"](deployments, turn)) == len(weights)
