"""Names in a configuration that point to nothing, clash, or are not the operator's to use."""

import pytest
import yaml
from pydantic import JsonValue

from shared.config import ConfigError, parse_config

HASH = "sha256:" + "0" * 64


def told(**sections: JsonValue) -> list[str]:
    """The problems, without the line numbers of the generated text."""
    base: dict[str, JsonValue] = {"providers": {"openai": {"base_url": "https://api.openai.com/v1"}}}
    with pytest.raises(ConfigError) as caught:
        parse_config(yaml.safe_dump(base | sections), {})
    return [f"{problem.path}: {problem.message}" for problem in caught.value.problems]


def test_a_deployment_of_an_unknown_provider() -> None:
    assert told(models={"m": {"deployments": [{"provider": "opnai"}]}}) == [
        "models.m.deployments[0].provider: no provider 'opnai'; did you mean `openai`? known: openai"
    ]


def test_a_fallback_to_an_unknown_model_and_to_itself() -> None:
    model: JsonValue = {"deployments": [{"provider": "openai"}], "fallbacks": ["m", "n"]}

    assert told(models={"m": model}) == [
        "models.m.fallbacks[0]: a model cannot be its own fallback",
        "models.m.fallbacks[1]: no model 'n'; known: m",
    ]


def test_a_model_with_the_same_deployment_twice() -> None:
    deployment: JsonValue = {"provider": "openai"}

    assert told(models={"m": {"deployments": [deployment, deployment]}}) == [
        "models.m.deployments[1]: the deployment 'openai/m' is there twice; give one of them a `name`"
    ]


def test_one_name_for_two_different_deployments() -> None:
    first: JsonValue = {"deployments": [{"provider": "openai", "name": "main"}]}
    second: JsonValue = {"deployments": [{"provider": "openai", "model": "other", "name": "main"}]}

    assert told(models={"m": first, "n": second}) == [
        "models.n.deployments[0]: the name 'main' is taken by openai/m; give it another `name`"
    ]


def test_one_quota_written_in_two_ways() -> None:
    first: JsonValue = {"deployments": [{"provider": "openai", "model": "up", "limits": {"requests_per_minute": 60}}]}
    second: JsonValue = {"deployments": [{"provider": "openai", "model": "up", "name": "other"}]}

    assert told(models={"m": first, "n": second}) == [
        "models.n.deployments[0].limits: other limits than the same model of this provider has under 'm'"
    ]


def test_one_bulkhead_written_in_two_ways() -> None:
    first: JsonValue = {"deployments": [{"provider": "openai", "model": "up", "bulkhead": {"calls": 5}}]}
    second: JsonValue = {"deployments": [{"provider": "openai", "model": "up", "name": "other"}]}

    assert told(models={"m": first, "n": second}) == [
        "models.n.deployments[0].bulkhead: another bulkhead than the same model of this provider has under 'm'"
    ]


def test_two_models_may_share_a_deployment() -> None:
    served: JsonValue = {"deployments": [{"provider": "openai", "model": "gpt-4o"}]}
    text = yaml.safe_dump(
        {"providers": {"openai": {"base_url": "https://x/v1"}}, "models": {"fast": served, "good": served}}
    )

    assert len(parse_config(text, {}).models) == 2


def test_a_key_id_of_two_tenants() -> None:
    keys: JsonValue = {"keys": {"web": {"hash": HASH}}}

    assert told(tenants={"a": keys, "b": keys}) == ["tenants.b.keys.web: this key id is taken by the tenant 'a'"]


def test_a_key_for_a_model_that_is_not_there() -> None:
    assert told(tenants={"a": {"keys": {"web": {"hash": HASH, "models": ["gpt-4o"]}}}}) == [
        "tenants.a.keys.web.models[0]: no model 'gpt-4o'; known: none"
    ]


def test_a_submit_topic_of_an_unknown_caller() -> None:
    tenants: JsonValue = {"a": {"keys": {"web": {"hash": HASH, "lanes": ["interactive"]}}}}
    topics: JsonValue = {
        "one": {"tenant": "b", "caller": "web"},
        "two": {"tenant": "a", "caller": "wbe"},
        "three": {"tenant": "a", "caller": "web"},
    }

    assert sorted(told(tenants=tenants, submit_topics=topics)) == [
        "submit_topics.one.tenant: no tenant 'b'; known: a",
        "submit_topics.three.lane: 'web' may not use the lane 'batch'",
        "submit_topics.two.caller: no key of this tenant 'wbe'; did you mean `web`? known: web",
    ]


def test_a_submit_topic_that_is_one_of_sluices_own() -> None:
    tenants: JsonValue = {"a": {"keys": {"web": {"hash": HASH}}}}
    bound: JsonValue = {"tenant": "a", "caller": "web"}

    assert told(tenants=tenants, submit_topics={"sluice.usage.v1": bound}) == [
        "submit_topics.sluice.usage.v1: this topic is Sluice's own; producers write to another one"
    ]


def test_two_prices_for_the_same_calls() -> None:
    price: JsonValue = {"provider": "openai", "model": "m", "input": 1, "output": 2}
    later: JsonValue = {**price, "since": "2026-06-01"}
    flex: JsonValue = {**price, "tier": "flex"}

    assert told(prices=[price, later, flex, {**price, "input": 3}]) == [
        "prices[3]: there is another price for the same model, tier and day; give one of them `since`"
    ]


@pytest.mark.parametrize(
    ("price", "why"),
    [
        ({"input": 1}, "needs `input` and `output`, or `of_list`"),
        ({"of_list": 0.9, "input": 1}, "with `of_list` the prices are those of the list; leave the others out"),
        ({"of_list": 0.9, "since": "2026-06-01", "until": "2026-06-01"}, "`until` must come after `since`"),
    ],
)
def test_a_price_that_says_too_little_or_too_much(price: dict[str, JsonValue], why: str) -> None:
    [problem] = told(prices=[{"provider": "openai", "model": "m", **price}])
    assert why in problem


def test_a_price_below_nothing() -> None:
    [problem] = told(prices=[{"provider": "openai", "model": "m", "input": -1, "output": 2}])
    assert problem.startswith("prices[0].input")


def test_a_rule_about_what_is_not_there() -> None:
    models: JsonValue = {"m": {"deployments": [{"provider": "openai", "region": "eu"}]}}
    rule: JsonValue = {"name": "r", "models": ["n", "m*"], "tenants": ["acme"], "only": {"regions": ["us", "asia*"]}}
    assert told(models=models, rules=[rule, {"name": "r", "never": {"providers": ["opnai"]}}]) == [
        "rules[0].models[0]: no model 'n'; known: m",
        "rules[0].only.regions[0]: no region 'us'; known: eu",
        "rules[0].only.regions[1]: no region begins with 'asia'; known: eu",
        "rules[0].tenants[0]: no tenant 'acme'; known: none",
        "rules[1].name: there is another rule 'r'",
        "rules[1].never.providers[0]: no provider 'opnai'; did you mean `openai`? known: openai",
    ]


@pytest.mark.parametrize("rule", [{"name": "r"}, {"name": "r", "only": {}}])
def test_a_rule_that_says_nothing(rule: JsonValue) -> None:
    assert "needs `" in told(rules=[rule])[0]
