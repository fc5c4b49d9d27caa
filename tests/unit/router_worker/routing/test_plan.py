"""Who is planned for a model, and why somebody is not."""

from typing import Any

from services.router_worker.failures import Unsupported
from services.router_worker.routing.odds import Lot
from services.router_worker.routing.plan import Skipped, plan
from shared.config.schema import Config, Timeouts

PROVIDERS: dict[str, Any] = {
    "north": {"base_url": "http://north/v1"},
    "south": {"base_url": "http://south/v1", "quirks": {"prefill": True}},
}


def a_config(**models: Any) -> Config:
    return Config.model_validate({"providers": PROVIDERS, "models": models})


def test_deployments_are_planned_in_the_order_of_the_configuration() -> None:
    config = a_config(m={"deployments": [{"provider": "south"}, {"provider": "north", "model": "m-2", "region": "eu"}]})
    first, second = plan(config, "m", Lot(7)).candidates
    assert (first.name, first.provider, first.model, first.serves) == ("south/m", "south", "m", "m")
    assert (second.name, second.model, second.region) == ("north/m-2", "m-2", "eu")


def test_a_candidate_knows_whether_it_can_continue_a_text() -> None:
    config = a_config(m={"deployments": [{"provider": "south"}, {"provider": "north"}]})
    assert [candidate.prefill for candidate in plan(config, "m", Lot()).candidates] == [True, False]


def test_fallback_models_come_last_and_say_which_model_they_are() -> None:
    config = a_config(
        m={"deployments": [{"provider": "north"}], "fallbacks": ["n"]}, n={"deployments": [{"provider": "south"}]}
    )
    assert [(candidate.name, candidate.serves) for candidate in plan(config, "m", Lot()).candidates] == [
        ("north/m", "m"),
        ("south/n", "n"),
    ]


def test_fallbacks_of_fallbacks_are_not_followed() -> None:
    config = a_config(
        m={"deployments": [{"provider": "north"}], "fallbacks": ["n"]},
        n={"deployments": [{"provider": "north"}], "fallbacks": ["o"]},
        o={"deployments": [{"provider": "north"}]},
    )
    assert [candidate.serves for candidate in plan(config, "m", Lot()).candidates] == ["m", "n"]


def test_a_deployment_is_planned_once() -> None:
    same = {"provider": "north", "model": "x"}
    config = a_config(m={"deployments": [same], "fallbacks": ["n"]}, n={"deployments": [same]})
    made = plan(config, "m", Lot())
    assert [candidate.name for candidate in made.candidates] == ["north/x"]
    assert made.skipped == (Skipped("north/x", "already planned for m"),)


def test_the_nearest_timeouts_count() -> None:
    own, models = {"total_seconds": 1}, {"total_seconds": 2}
    config = a_config(
        m={"deployments": [{"provider": "north", "timeouts": own}, {"provider": "south"}], "timeouts": models},
        n={"deployments": [{"provider": "north"}]},
    )
    assert [candidate.timeouts.total_seconds for candidate in plan(config, "m", Lot()).candidates] == [1, 2]
    assert plan(config, "n", Lot()).candidates[0].timeouts == Timeouts()


def test_an_unknown_model_gives_an_empty_plan_that_says_why() -> None:
    made = plan(a_config(), "gone", Lot())
    assert made.candidates == ()
    assert made.skipped == (Skipped("gone", "no such model in the configuration"),)


def test_taking_turns_begins_every_plan_with_another_deployment() -> None:
    config = a_config(m={"deployments": [{"provider": "north"}, {"provider": "south"}], "strategy": "round-robin"})
    assert [plan(config, "m", Lot(turn)).candidates[0].provider for turn in range(4)] == [
        "north",
        "south",
        "north",
        "south",
    ]


def test_who_could_not_be_asked_for_all_of_it_is_left_out_and_says_why() -> None:
    config = a_config(m={"deployments": [{"provider": "north"}, {"provider": "south"}]})
    seedless = Unsupported("seed", "is nothing that North could be asked for")
    made = plan(config, "m", Lot(), lambda candidate: seedless if candidate.provider == "north" else None)
    assert [candidate.name for candidate in made.candidates] == ["south/m"]
    assert made.skipped == (Skipped("north/m", "'seed' is nothing that North could be asked for", seedless),)
