"""A first configuration, and one from another gateway's: right as they come, without a key in them."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cli.configuring.accounts import ACCOUNTS
from cli.configuring.imported import ForeignFileError, Imported, imported
from cli.configuring.starter import starter
from services.router_worker.providers.known import KNOWN
from shared.config import Config, hash_key, new_key, parse_config

HASH = hash_key(new_key("starter"))
SECRET = "sk-live-0123456789"

# As in docs.litellm.ai/docs/proxy/configs, /docs/routing and /docs/proxy/reliability.
BALANCED = """
model_list:
  - model_name: gpt-4o
    litellm_params:
      model: azure/gpt-4o-eu
      api_base: https://my-endpoint-europe-berri-992.openai.azure.com/
      api_key: os.environ/AZURE_API_KEY_EU
      api_version: "2024-10-21"
      rpm: 6
      order: 2
  - model_name: gpt-4o
    litellm_params:
      model: azure/gpt-4o-ca
      api_base: https://my-endpoint-canada-berri992.openai.azure.com/
      api_key: os.environ/AZURE_API_KEY_CA
      rpm: 6
      order: 1
  - model_name: anthropic-claude
    litellm_params:
      model: bedrock/anthropic.claude-instant-v1
      aws_region_name: us-east-1
  - model_name: vllm-models
    litellm_params:
      model: openai/facebook/opt-125m
      api_base: http://0.0.0.0:4000/v1
      api_key: none
      rpm: 1440
    model_info:
      id: vllm-one
      max_input_tokens: 2048
      input_cost_per_token: 0.0000001
      output_cost_per_token: 3e-07
  - model_name: "*"
    litellm_params:
      model: "*"
litellm_settings:
  drop_params: True
  success_callback: ["langfuse"]
  num_retries: 3
  request_timeout: 600
  fallbacks: [{"gpt-4o": ["anthropic-claude", "gone"]}]
  context_window_fallbacks: [{"vllm-models": ["gpt-4o"]}]
router_settings:
  routing_strategy: usage-based-routing
  model_group_alias: {"gpt-4": "gpt-4o"}
  redis_host: os.environ/REDIS_HOST
  stream_timeout: 20
  allowed_fails: 3
  cooldown_time: 40
general_settings:
  master_key: sk-1234
environment_variables:
  REDIS_PORT: 6379
mcp_servers: {}
"""

# Several keys of one provider, written into the file, and models without a prefix.
CARELESS = f"""
model_list:
  - model_name: gpt-3.5-turbo
    litellm_params: {{model: gpt-3.5-turbo, api_key: {SECRET}1}}
    tpm: 20000
    rpm: 3
  - model_name: gpt-3.5-turbo
    litellm_params: {{model: gpt-3.5-turbo, api_key: {SECRET}2}}
    tpm: 20000
    rpm: 3
  - model_name: gpt-3.5-turbo
    litellm_params: {{model: openrouter/openai/gpt-3.5-turbo}}
  - model_name: claude
    litellm_params: {{model: claude-sonnet-4-5, weight: 3}}
  - model_name: mine
    litellm_params: {{model: huggingface/some/model}}
  - model_name: pictures
    litellm_params: {{model: openai/dall-e-3}}
    model_info: {{mode: image_generation}}
router_settings:
  routing_strategy: latency-based-routing
  default_fallbacks: [claude]
"""


def translate(folder: Path, text: str) -> Imported:
    file = folder / "config.yaml"
    file.write_text(text)
    return imported(file)


def config_of(made: Imported) -> Config:
    return parse_config(made.text, dict.fromkeys(made.variables, "x"), known=KNOWN)


def told(made: Imported, *words: str) -> bool:
    return any(all(word in sentence for word in words) for sentence in made.untranslated)


def test_a_balanced_file_becomes_providers_models_limits_and_fallbacks(tmp_path: Path) -> None:
    made = translate(tmp_path, BALANCED)
    config = config_of(made)
    canada, europe = config.models["gpt-4o"].deployments
    assert (canada.model, europe.model) == ("gpt-4o-ca", "gpt-4o-eu"), "in the order that the file wants"
    assert config.models["gpt-4o"].strategy == "priority"
    assert canada.limits.requests_per_minute == 6
    section = config.providers[europe.provider]
    assert (section.dialect, str(section.base_url)) == (
        "azure",
        "https://my-endpoint-europe-berri-992.openai.azure.com/",
    )
    assert section.api_version == "2024-10-21"
    assert config.models["gpt-4o"].fallbacks == ("anthropic-claude",)
    assert config.models["vllm-models"].fallbacks_for.context_too_long == ("gpt-4o",)
    assert config.models["gpt-4"].deployments[0].model == "gpt-4o-ca"
    bedrock = config.providers[config.models["anthropic-claude"].deployments[0].provider]
    assert (bedrock.auth, bedrock.base_url.host) == ("aws", "bedrock-runtime.us-east-1.amazonaws.com")
    own = config.models["vllm-models"].deployments[0]
    assert (own.name, own.model, own.context_window) == ("vllm-one", "facebook/opt-125m", 2048)
    (price,) = config.prices
    assert (str(price.input), str(price.output)) == ("0.1", "0.3")
    assert (config.retries.per_deployment, config.timeouts.total_seconds) == (3, 600)
    assert config.timeouts.first_token_seconds == 20
    assert config.breaker is not None
    assert (config.breaker.failures_in_a_row, config.breaker.open_seconds) == (4, 40)


def test_whatever_has_no_counterpart_is_told_also_in_the_file(tmp_path: Path) -> None:
    made = translate(tmp_path, BALANCED)
    for words in (
        ("drop_params", "`drop`"),
        ("success_callback",),
        ("routing_strategy", "usage-based-routing"),
        ("redis_host", "REDIS_URL"),
        ("allowed_fails", "by the minute"),
        ("master_key", "sluice keys new"),
        ("REDIS_PORT",),
        ("mcp_servers",),
        ("`*`", "pattern"),
        ("`gone`",),
    ):
        assert told(made, *words), words
    assert all(f"# - {sentence}" in made.text for sentence in made.untranslated)


def test_a_key_in_the_file_is_not_copied(tmp_path: Path) -> None:
    made = translate(tmp_path, CARELESS)
    assert SECRET not in made.text
    assert SECRET not in str(made)
    assert made.variables == ["OPENAI_API_KEY", "OPENAI_API_KEY_2", "OPENROUTER_API_KEY", "ANTHROPIC_API_KEY"]
    assert told(made, "not copied", "OPENAI_API_KEY_2")


def test_several_keys_are_several_accounts_and_what_is_unknown_is_named(tmp_path: Path) -> None:
    made = translate(tmp_path, CARELESS)
    config = config_of(made)
    model = config.models["gpt-3.5-turbo"]
    assert [each.provider for each in model.deployments] == ["openai", "openai-2", "openrouter"]
    assert (model.strategy, model.fallbacks) == ("latency", ("claude",))
    assert config.models["claude"].fallbacks == ()
    assert config.providers["anthropic"].dialect == "anthropic"
    assert config.models["claude"].deployments[0].weight == 3
    assert told(made, "huggingface/some/model")
    assert told(made, "pictures", "image_generation")


@pytest.mark.parametrize("text", ["", "[]", "model_list: 3", "a: [", "models: {}"])
def test_what_is_no_such_file_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(ForeignFileError):
        translate(tmp_path, text)


KEYS = {account.name: account.variables[0] for account in ACCOUNTS}
NEEDED = {name: "x" for account in ACCOUNTS for name in account.besides} | {
    "AZURE_OPENAI_ENDPOINT": "https://my-resource.openai.azure.com"
}


@given(st.sets(st.sampled_from(sorted(KEYS))))
def test_a_starter_file_is_right_and_has_what_was_found_and_no_key(names: set[str]) -> None:
    env = NEEDED | {KEYS[name]: f"{SECRET}-{name}" for name in names}
    text = starter(env, HASH)
    config = parse_config(text, env, known=KNOWN)
    assert SECRET not in text
    assert config.providers.keys() == (names or {"vllm"})
    assert {each.provider for model in config.models.values() for each in model.deployments} == config.providers.keys()
    assert config.tenants["default"].keys["starter"].hash == HASH
    assert re.findall(r"^ *#", text, re.MULTILINE)


def test_a_key_without_what_its_address_needs_is_not_taken() -> None:
    config = parse_config(starter({"AZURE_OPENAI_API_KEY": "x"}, HASH), {}, known=KNOWN)
    assert config.providers.keys() == {"vllm"}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5))
def test_an_odd_value_does_not_make_it_fall_over(value: object) -> None:
    from cli.configuring.litellm import translated

    entry = {"model_name": "m", "litellm_params": {"model": "gpt-4o", "rpm": value}}
    made = translated({"model_list": [entry], "router_settings": {"fallbacks": value}, "litellm_settings": {}})
    assert yaml.safe_dump(made.document)
