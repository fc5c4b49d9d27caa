"""`sluice config` and `sluice keys`: what they tell of a file, and that what they print can be pasted."""

import json
from pathlib import Path

import pytest
import yaml

from cli.exit_codes import ExitCode
from shared.config import Config, key_matches, parse_config

GOOD = """\
tenants: {acme: {keys: {web: {hash: "sha256:%s"}}}}
providers: {openai: {base_url: "https://me:hidden@api.openai.com/v1", api_key: "${OPENAI_KEY}"}}
models: {gpt-4o: {deployments: [{provider: openai}]}}
""" % ("0" * 64)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sluice.yaml"
    path.write_text(GOOD)
    return path


def test_a_right_configuration_is_told_with_what_is_in_it(sluice, file: Path) -> None:
    told = sluice("config", "validate", OPENAI_KEY="k")

    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("sluice.yaml is right: 1 tenant, 1 key, 0 submit topics, 1 provider, 1 model,")


def test_a_secret_that_is_not_set_is_told_with_its_place_and_its_variable(sluice, file: Path) -> None:
    told = sluice("config", "validate")

    assert (told.code, told.out) == (ExitCode.SETUP, "")
    assert "sluice.yaml:2: providers.openai.api_key: the environment variable OPENAI_KEY is not set" in told.err


def test_an_unknown_key_is_told_with_its_path_and_those_that_are_allowed(sluice, file: Path) -> None:
    file.write_text(GOOD + "tenats: {}\n")

    told = sluice("config", "validate", OPENAI_KEY="k")

    assert told.code == ExitCode.SETUP
    assert "sluice.yaml:4: tenats: unknown key; did you mean `tenants`? known: administrators, audit" in told.err


def test_a_wrong_value_is_told_with_the_allowed_ones_in_json_too(sluice, file: Path) -> None:
    file.write_text(GOOD.replace("deployments:", "strategy: best, deployments:"))

    told = sluice("config", "validate", "--json", OPENAI_KEY="k")

    told_of = "must be 'priority', 'weighted', 'round-robin', 'least-in-flight', 'latency' or 'cost'"
    assert told.code == ExitCode.SETUP
    assert told.json == {
        "source": "sluice.yaml",
        "chosen_by": "the default",
        "valid": False,
        "problems": [{"path": "models.gpt-4o.strategy", "line": 3, "message": told_of}],
    }


def test_a_file_that_is_not_there_is_told_with_where_to_begin(sluice) -> None:
    told = sluice("config", "validate", "nowhere.yaml")

    assert told.code == ExitCode.SETUP
    assert told.err.startswith("sluice: nowhere.yaml: no such file; begin with a copy of sluice.example.yaml")


def test_what_is_shown_has_no_secret_and_says_where_it_is_from(sluice, file: Path) -> None:
    told = sluice("config", "show", OPENAI_KEY="sk-very-secret")

    assert told.out.startswith("# sluice.yaml, by the default.")
    assert "sk-very-secret" not in told.out
    assert "hidden" not in told.out
    assert Config.model_validate(yaml.safe_load(told.out)).retries.per_deployment == 2


def test_an_environment_variable_chooses_the_file(sluice, file: Path) -> None:
    other = file.rename(file.with_name("other.yaml"))

    told = sluice("config", "show", "--json", OPENAI_KEY="k", SLUICE_CONFIG=str(other))

    assert told.json["chosen_by"] == "SLUICE_CONFIG"
    assert told.json["config"]["models"]["gpt-4o"]["strategy"] == "priority"


def test_the_schema_is_json_schema(sluice) -> None:
    told = sluice("config", "schema")

    assert json.loads(told.out)["$schema"].startswith("https://json-schema.org/")


@pytest.mark.parametrize(("name", "tenant"), [("reports-nightly", "acme"), ("on", "123"), ("a:b@c/d_e", "yes")])
def test_the_printed_lines_let_the_printed_key_in(sluice, name: str, tenant: str) -> None:
    told = sluice("keys", "new", name, "--tenant", tenant)

    key, _, lines = told.out.partition("\n")
    config = parse_config(lines, {})
    assert key.startswith(f"slk_{name}_")
    assert key_matches(key, config.tenants[tenant].keys[name].hash)
    assert key not in told.err


def test_two_keys_of_one_name_differ(sluice) -> None:
    assert sluice("keys", "new", "ci", "--json").json["key"] != sluice("keys", "new", "ci", "--json").json["key"]


@pytest.mark.parametrize("arguments", [("a b",), ("",), ("ci", "--tenant", "a b")])
def test_a_name_that_no_configuration_takes_gets_no_key(sluice, arguments: tuple[str, ...]) -> None:
    told = sluice("keys", "new", *arguments)

    assert (told.code, told.out) == (ExitCode.USAGE, "")
