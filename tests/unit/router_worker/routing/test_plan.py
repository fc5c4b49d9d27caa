"""Who is planned for a model, and why somebody is not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from services.router_worker.failures import Cause, FailureKind, Unsupported
from services.router_worker.routing.asked import Asked
from services.router_worker.routing.journey import GiveUp, begin
from services.router_worker.routing.odds import Lot
from services.router_worker.routing.plan import Skipped, plan
from shared.config.rules import Rule, Selection
from shared.config.schema import Config, Retries, Timeouts
from shared.contracts import Endpoint, Interruption

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=10)
PROVIDERS: dict[str, Any] = {
    "north": {"base_url": "http://north/v1"},
    "south": {"base_url": "http://south/v1", "quirks": {"prefill": True}},
}


def a_config(**models: Any) -> Config:
    return Config.model_validate({"providers": PROVIDERS, "models": models})


def test_deployments_are_planned_in_the_order_of_the_configuration() -> None:
    config = a_config(m={"deployments": [{"provider": "south"}, {"provider": "north", "model": "m-2", "region": "eu"}]})
    first, second = plan(config, Asked("m"), Lot(7)).candidates
    assert (first.name, first.provider, first.model, first.serves) == ("south/m", "south", "m", "m")
    assert (second.name, second.model, second.region) == ("north/m-2", "m-2", "eu")


def test_a_candidate_knows_whether_it_can_continue_a_text() -> None:
    config = a_config(m={"deployments": [{"provider": "south"}, {"provider": "north"}]})
    assert [candidate.prefill for candidate in plan(config, Asked("m"), Lot()).candidates] == [True, False]


def test_fallback_models_come_last_and_say_which_model_they_are() -> None:
    config = a_config(
        m={"deployments": [{"provider": "north"}], "fallbacks": ["n"]}, n={"deployments": [{"provider": "south"}]}
    )
    assert [(candidate.name, candidate.serves) for candidate in plan(config, Asked("m"), Lot()).candidates] == [
        ("north/m", "m"),
        ("south/n", "n"),
    ]


def test_fallbacks_of_fallbacks_are_not_followed() -> None:
    config = a_config(
        m={"deployments": [{"provider": "north"}], "fallbacks": ["n"]},
        n={"deployments": [{"provider": "north"}], "fallbacks": ["o"]},
        o={"deployments": [{"provider": "north"}]},
    )
    assert [candidate.serves for candidate in plan(config, Asked("m"), Lot()).candidates] == ["m", "n"]


def test_a_deployment_is_planned_once() -> None:
    same = {"provider": "north", "model": "x"}
    config = a_config(m={"deployments": [same], "fallbacks": ["n"]}, n={"deployments": [same]})
    made = plan(config, Asked("m"), Lot())
    assert [candidate.name for candidate in made.candidates] == ["north/x"]
    assert made.skipped == (Skipped("north/x", "already planned for m", serves="n"),)


def test_the_nearest_timeouts_count() -> None:
    own, models = {"total_seconds": 1}, {"total_seconds": 2}
    config = a_config(
        m={"deployments": [{"provider": "north", "timeouts": own}, {"provider": "south"}], "timeouts": models},
        n={"deployments": [{"provider": "north"}]},
    )
    assert [candidate.timeouts.total_seconds for candidate in plan(config, Asked("m"), Lot()).candidates] == [1, 2]
    assert plan(config, Asked("n"), Lot()).candidates[0].timeouts == Timeouts()


def test_an_unknown_model_gives_an_empty_plan_that_says_why() -> None:
    made = plan(a_config(), Asked("gone"), Lot())
    assert made.candidates == ()
    assert made.skipped == (Skipped("gone", "no such model in the configuration", serves="gone"),)


def test_taking_turns_begins_every_plan_with_another_deployment() -> None:
    config = a_config(m={"deployments": [{"provider": "north"}, {"provider": "south"}], "strategy": "round-robin"})
    assert [plan(config, Asked("m"), Lot(turn)).candidates[0].provider for turn in range(4)] == [
        "north",
        "south",
        "north",
        "south",
    ]


def test_who_could_not_be_asked_for_all_of_it_is_left_out_and_says_why() -> None:
    config = a_config(m={"deployments": [{"provider": "north"}, {"provider": "south"}]})
    seedless = Unsupported("seed", "is nothing that North could be asked for")
    made = plan(config, Asked("m"), Lot(), lambda candidate: seedless if candidate.provider == "north" else None)
    assert [candidate.name for candidate in made.candidates] == ["south/m"]
    assert made.skipped == (
        Skipped("north/m", "'seed' is nothing that North could be asked for", seedless.failure, "m"),
    )


def test_whose_window_is_too_small_for_it_is_left_out_and_says_why() -> None:
    deployments = [{"provider": "north", "context_window": 1000}, {"provider": "south", "context_window": 2000}]
    made = plan(a_config(m={"deployments": deployments}), Asked("m", input_tokens=900, output_tokens=200), Lot())
    assert [candidate.name for candidate in made.candidates] == ["south/m"]
    (skipped,) = made.skipped
    assert skipped.name == "north/m"
    assert "1000 tokens, and 900 of input with 200 of output" in skipped.reason


def test_what_is_too_long_for_a_model_goes_to_a_fallback_that_has_room() -> None:
    config = a_config(
        m={"deployments": [{"provider": "north"}], "fallbacks": ["n"], "context_window": 100},
        n={"deployments": [{"provider": "north"}], "context_window": 1000},
    )
    assert [each.serves for each in plan(config, Asked("m", input_tokens=100), Lot()).candidates] == ["n"]


def test_a_known_model_has_its_window_from_the_catalogue() -> None:
    config = a_config(alias={"deployments": [{"provider": "north", "model": "gpt-4o"}, {"provider": "south"}]})
    assert [each.context_window for each in plan(config, Asked("alias"), Lot()).candidates] == [128_000, None]


def test_whom_a_rule_keeps_away_is_left_out_with_its_name() -> None:
    config = a_config(m={"deployments": [{"provider": "north"}, {"provider": "south"}]}).model_copy(
        update={"rules": (Rule(name="no-north", never=Selection(providers=("north",))),)}
    )
    made = plan(config, Asked("m"), Lot())
    assert [candidate.name for candidate in made.candidates] == ["south/m"]
    assert made.skipped[0].reason == "the rule 'no-north' forbids it"


def test_a_job_that_rules_leave_nobody_for_fails_as_forbidden() -> None:
    config = a_config(m={"deployments": [{"provider": "north"}]}).model_copy(
        update={"rules": (Rule(name="eu", only=Selection(regions=("eu*",))),)}
    )
    _, step = begin(plan(config, Asked("m"), Lot()), Interruption.RESTART, Retries(), LATER, NOON)
    assert isinstance(step, GiveUp)
    assert step.failure.kind is FailureKind.FORBIDDEN


def test_fallbacks_for_one_kind_of_failure_come_before_those_for_all() -> None:
    one = {"deployments": [{"provider": "north"}]}
    fallbacks_for = {"context_too_long": ["long"], "outage": ["spare"], "content_filter": ["spare"]}
    config = a_config(
        m={**one, "fallbacks": ["any", "long"], "fallbacks_for": fallbacks_for}, any=one, long=one, spare=one
    )
    assert [(each.serves, set(each.after)) for each in plan(config, Asked("m"), Lot()).candidates] == [
        ("m", set()),
        ("long", set()),
        ("spare", {Cause.CONTENT_FILTER, Cause.OUTAGE}),
        ("any", set()),
    ]


def test_texts_to_embed_may_together_be_longer_than_the_window_of_one() -> None:
    config = a_config(m={"deployments": [{"provider": "north", "context_window": 100}]})
    asked = Asked("m", input_tokens=1_000)
    assert not plan(config, asked, Lot()).candidates
    assert plan(config, replace(asked, endpoint=Endpoint.EMBEDDINGS), Lot()).candidates
