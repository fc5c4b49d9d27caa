"""Which rules hold for a job, and whom they keep away."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router_worker.routing.asked import Asked
from services.router_worker.routing.rules import in_force, keeps_away
from shared.config.rules import Rule, Selection, Use

NOTHING = Selection(providers=("nobody",))


@dataclass(frozen=True)
class Spot:
    name: str = "north/m"
    provider: str = "north"
    region: str | None = None


def a_rule(name: str = "r", **conditions: Any) -> Rule:
    return Rule(name=name, never=NOTHING, **conditions)


def holding(asked: Asked, *rules: Rule) -> list[str]:
    return [rule.name for rule in in_force(rules, asked)]


def test_a_rule_without_conditions_holds_for_every_job() -> None:
    assert holding(Asked("m"), a_rule()) == ["r"]


def test_an_exact_name_goes_before_a_prefix_and_the_longer_prefix_before_the_shorter() -> None:
    rules = [a_rule("g", models=("g*",)), a_rule("gpt-4", models=("gpt-4*",)), a_rule("exact", models=("gpt-4o",))]
    assert holding(Asked("gpt-4o"), *rules) == ["exact"]
    assert holding(Asked("gpt-4o-mini"), *rules) == ["gpt-4"]
    assert holding(Asked("gemini"), *rules) == ["g"]
    assert holding(Asked("o3"), *rules) == []


def test_a_name_is_no_prefix_of_another() -> None:
    assert holding(Asked("o365"), a_rule(models=("o3",))) == []


def test_a_better_name_counts_only_where_its_rule_holds() -> None:
    rules = [a_rule("all", models=("gpt*",)), a_rule("acme", models=("gpt-4o",), tenants=("acme",))]
    assert holding(Asked("gpt-4o", "acme"), *rules) == ["acme"]
    assert holding(Asked("gpt-4o", "other"), *rules) == ["all"]


def test_rules_that_name_no_model_count_beside_those_that_do() -> None:
    assert holding(Asked("m"), a_rule("any"), a_rule("m", models=("m",))) == ["any", "m"]


@pytest.mark.parametrize(
    ("condition", "meets", "misses"),
    [
        ({"tenants": ("acme",)}, Asked("m", "acme"), Asked("m", "other")),
        ({"teams": ("a", "b")}, Asked("m", team="b"), Asked("m")),
        ({"metadata": {"kind": "pii"}}, Asked("m", metadata={"kind": "pii", "x": "y"}), Asked("m")),
        ({"labels": {"region": "eu"}}, Asked("m", labels={"region": "eu"}), Asked("m", labels={"region": "us"})),
        ({"uses": ("tools", "images")}, Asked("m", uses=frozenset({Use.IMAGES})), Asked("m")),
        ({"input_above": 1000}, Asked("m", input_tokens=1001), Asked("m", input_tokens=1000)),
        ({"input_up_to": 1000}, Asked("m", input_tokens=1000), Asked("m", input_tokens=1001)),
    ],
)
def test_each_condition_is_met_or_not(condition: dict[str, Any], meets: Asked, misses: Asked) -> None:
    assert (holding(meets, a_rule(**condition)), holding(misses, a_rule(**condition))) == (["r"], [])


def test_only_keeps_everybody_else_away() -> None:
    rules = [Rule(name="eu", only=Selection(regions=("eu-*",)))]
    assert keeps_away(rules, Spot(region="eu-west-1")) is None
    assert keeps_away(rules, Spot(region="us-east-1")) == "the rule 'eu' allows others only"
    assert keeps_away(rules, Spot(region=None)) is not None


def test_a_selection_fits_in_each_of_its_ways() -> None:
    rules = [Rule(name="r", never=Selection(providers=("north",), regions=("us*",)))]
    assert keeps_away(rules, Spot(region="us-east-1")) == "the rule 'r' forbids it"
    assert keeps_away(rules, Spot(region="eu-west-1")) is None


@given(
    st.lists(st.builds(Rule, name=st.just("r"), never=st.just(NOTHING), models=st.lists(st.text("ab", min_size=1)))),
    st.text("ab", min_size=1),
)
def test_a_rule_that_is_not_met_is_never_in_force(rules: list[Rule], model: str) -> None:
    for rule in in_force(rules, Asked(model)):
        assert not rule.models or model in rule.models
