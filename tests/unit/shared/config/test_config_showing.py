"""A configuration shown to people and to editors."""

from pathlib import Path

import yaml

from shared.config import hash_key, json_schema, load_config, new_key, parse_config, shown

EXAMPLE = Path(__file__).parents[4] / "sluice.example.yaml"
ENVIRONMENT = {
    "ACME_WEB_KEY_HASH": hash_key(new_key("web")),
    "ACME_REPORTS_KEY_HASH": hash_key(new_key("reports-nightly")),
    "RESEARCH_KEY_HASH": hash_key(new_key("notebooks")),
    "OPENAI_API_KEY": "sk-openai-secret",
    "AZURE_OPENAI_API_KEY": "azure-secret",
}


def test_the_example_is_a_valid_configuration() -> None:
    config = load_config(EXAMPLE, ENVIRONMENT)

    assert set(config.models) == {"gpt-4o", "gpt-4o-mini", "llama-3.3-70b"}


def test_the_example_lists_the_defaults_as_they_are() -> None:
    config = load_config(EXAMPLE, ENVIRONMENT)
    defaults = parse_config("", {})

    for section in ("timeouts", "retries", "limits", "retention", "on_interrupt"):
        assert getattr(config, section) == getattr(defaults, section)


def test_what_is_shown_holds_no_secret() -> None:
    text = shown(load_config(EXAMPLE, ENVIRONMENT))

    assert "sk-openai-secret" not in text
    assert "azure-secret" not in text


def test_a_password_inside_a_url_is_masked() -> None:
    text = shown(parse_config("providers:\n  p: {base_url: 'https://me:hunter2@host/v1'}\n", {}))

    assert "hunter2" not in text
    assert "https://me:**********@host/v1" in text


def test_what_is_shown_has_every_default_and_can_be_read_again() -> None:
    text = shown(parse_config("", {}))

    assert yaml.safe_load(text)["timeouts"]["connect_seconds"] == 5
    assert parse_config(text, {}) == parse_config("", {})


def test_the_schema_carries_the_docstrings_of_the_fields() -> None:
    limits = json_schema()["$defs"]["Limits"]["properties"]

    assert limits["job_seconds"]["description"] == "The deadline of an interactive job, counted from its acceptance."
    assert "description" not in json_schema()["properties"]["models"]


def test_the_schema_forbids_unknown_keys() -> None:
    assert json_schema()["additionalProperties"] is False
