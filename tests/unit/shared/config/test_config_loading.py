"""What people write into `sluice.yaml`, and what they are told about it."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from shared.config import Config, ConfigError, Problem, load_config, parse_config

OPENAI = "providers:\n  openai: {base_url: 'https://api.openai.com/v1', api_key: '${KEY}'}\n"


def told(text: str, env: Mapping[str, str] = {}) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, env)
    return str(caught.value).splitlines()


def test_an_empty_file_is_a_configuration_of_defaults() -> None:
    assert parse_config("", {}) == Config()


def test_a_secret_comes_from_the_environment() -> None:
    config = parse_config(OPENAI, {"KEY": "sk-real"})

    key = config.providers["openai"].api_key
    assert key is not None
    assert key.get_secret_value() == "sk-real"


def test_a_reference_may_stand_inside_a_longer_text_and_have_a_default() -> None:
    text = "providers:\n  own: {base_url: 'http://${HOST:-localhost}:${PORT:-8000}/v1'}\n"

    config = parse_config(text, {"HOST": "gpu-1"})

    assert str(config.providers["own"].base_url) == "http://gpu-1:8000/v1"


def test_a_number_may_come_from_the_environment() -> None:
    assert parse_config("limits:\n  body_bytes: ${BYTES}\n", {"BYTES": "1000"}).limits.body_bytes == 1000


def test_two_dollars_keep_a_reference_as_it_is() -> None:
    config = parse_config("providers:\n  own: {base_url: 'http://x/v1', api_key: '$${KEY}'}\n", {})

    key = config.providers["own"].api_key
    assert key is not None
    assert key.get_secret_value() == "${KEY}"


@pytest.mark.parametrize("env", [{}, {"KEY": ""}], ids=["absent", "empty"])
def test_an_absent_variable_is_named_with_its_place(env: dict[str, str]) -> None:
    assert told(OPENAI, env) == [
        (
            "sluice.yaml:2: providers.openai.api_key: the environment variable KEY is not set "
            "(write ${KEY:-} if it may be empty)"
        )
    ]


def test_an_unknown_key_is_told_with_what_was_probably_meant() -> None:
    (line,) = told("version: 1\nprovders: {}\n")

    assert line.startswith("sluice.yaml:2: provders: unknown key; did you mean `providers`? known: administrators, ")


def test_an_unknown_key_deep_inside_names_the_keys_of_its_own_section() -> None:
    text = OPENAI + "models:\n  m:\n    deployments:\n      - {provider: openai, wait: 3}\n"

    (line,) = told(text, {"KEY": "k"})

    assert line == (
        "sluice.yaml:6: models.m.deployments[0].wait: unknown key; did you mean `weight`? "
        "known: bulkhead, context_window, limits, model, name, provider, region, timeouts, weight"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("on_interrupt: retry\n", "sluice.yaml:1: on_interrupt: must be 'restart', 'fail' or 'continue'"),
        (
            "models:\n  m: {deployments: []}\n",
            "sluice.yaml:2: models.m.deployments: must not be empty",
        ),
        ("models:\n  m: {}\n", "sluice.yaml:2: models.m.deployments: is required"),
        ("limits: {job_seconds: -1}\n", "sluice.yaml:1: limits.job_seconds: must be greater than 0"),
        ("tenants:\n  7: {}\n", "sluice.yaml:2: tenants[7]: the name: must be text; put it in quotes"),
        ("retention:\n", "sluice.yaml:1: retention: must be a section with keys"),
        ("- a list\n", "sluice.yaml:1: must be a section with keys"),
        (
            "limits:\n  job_seconds: 1\n  job_seconds: 2\n",
            "sluice.yaml:3: limits.job_seconds: given twice; first on line 2",
        ),
        ("a: &x [*x]\n", "sluice.yaml:1: a[0]: an alias contains itself"),
        (
            "a: {b: ${C}}\n",
            (
                "sluice.yaml:1: not valid YAML: while parsing a flow mapping, expected ',' or '}', but got '{' "
                "(inside { } or [ ], put quotes around ${…})"
            ),
        ),
    ],
)
def test_what_is_wrong_is_told_in_plain_words(text: str, line: str) -> None:
    assert told(text) == [line]


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = "limits: {job_seconds: 0}\nproviders:\n  p: {base_url: 'https://x/v1', api_key: '${KEY}'}\nmodles: {}\n"

    places = [line.split(": ")[:2] for line in told(text)]

    assert places == [
        ["sluice.yaml:1", "limits.job_seconds"],
        ["sluice.yaml:3", "providers.p.api_key"],
        ["sluice.yaml:4", "modles"],
    ]


def test_no_message_shows_a_secret_that_came_from_the_environment() -> None:
    text = (
        "providers:\n  p: {base_url: '${KEY}', api_key: '${KEY}', quirks: '${KEY}'}\nlimits: {job_seconds: '${KEY}'}\n"
    )

    with pytest.raises(ConfigError) as caught:
        parse_config(text, {"KEY": "sk-do-not-show-me"})

    assert "sk-do-not-show-me" not in f"{caught.value}{caught.value!r}{caught.value.__cause__}"
    assert caught.value.__suppress_context__


def test_a_model_id_that_looks_like_a_date_is_text() -> None:
    text = (
        "providers:\n  p: {base_url: 'https://x/v1'}\nmodels:\n  m: {deployments: [{provider: p, model: 2024-08-06}]}\n"
    )

    assert parse_config(text, {}).models["m"].deployments[0].model == "2024-08-06"


def test_an_unknown_key_under_a_wrong_name_is_told_as_well() -> None:
    assert told("tenants:\n  7: {kyes: {}}\n") == [
        "sluice.yaml:2: tenants[7]: the name: must be text; put it in quotes",
        (
            "sluice.yaml:2: tenants[7].kyes: unknown key; did you mean `keys`? "
            "known: batch_partitions, budgets, keys, limits, partial_answers, teams, time_zone, weight"
        ),
    ]


words = """
version tenants keys hash models lanes submit_topics tenant caller lane providers base_url api_key headers quirks
deployments provider model timeouts total_seconds strategy fallbacks prices input output limits odd
"""
keys = st.sampled_from(words.split())
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["${KEY}", "https://x/v1", "*"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys | st.integers(0, 3), inner, max_size=4),
    max_leaves=25,
)


def problems(text: str) -> tuple[Problem, ...]:
    try:
        parse_config(text, {})
    except ConfigError as error:
        return error.problems
    return ()


@given(values)
def test_whatever_stands_in_the_file_is_a_configuration_or_a_list_of_problems(content: object) -> None:
    assert all(problem.message for problem in problems(yaml.safe_dump(content)))


@given(st.text())
def test_no_text_makes_reading_fail_otherwise(text: str) -> None:
    assert all(problem.message for problem in problems(text))


def test_a_tag_that_does_not_fit_is_a_problem_like_any_other() -> None:
    assert told("limits: {job_seconds: !!int many}\n") == [
        "sluice.yaml: not valid YAML: invalid literal for int() with base 10: 'many'"
    ]


def test_a_file_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"^\S+/absent\.yaml: no such file; begin with a copy of sluice\.example\.yaml"
    ):
        load_config(tmp_path / "absent.yaml", {})


def test_a_file_that_is_not_text_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "sluice.yaml"
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(path, {})


@pytest.mark.parametrize("written", ["13:15", "03:15", "'23:59'"])
def test_a_time_of_the_day_needs_no_quotes(written: str) -> None:
    assert parse_config(f"audit: {{at: {written}}}\n", {}).audit.at == written.strip("'")


@pytest.mark.parametrize("written", ["24:00", "3:15", "noon", "795"])
def test_what_is_no_time_of_the_day_is_refused(written: str) -> None:
    with pytest.raises(ConfigError, match=r"audit\.at"):
        parse_config(f"audit: {{at: {written}}}\n", {})
