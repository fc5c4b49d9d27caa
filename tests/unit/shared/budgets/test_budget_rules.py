"""Which budgets bind a job, and in which day or month of the tenant's calendar it counts."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.budgets import Use, rules_of
from shared.config import ConfigError, parse_config
from shared.config.budgets import Budget, parts_of
from shared.config.schema import Config
from tests.suites.budgets import a_rule

USE = Use(key="web", model="gpt-4o", team="red", tags={"project": "apollo"})


@pytest.mark.parametrize(
    ("parts", "binds"),
    [
        ({}, True),
        ({"team": "red"}, True),
        ({"team": "blue"}, False),
        ({"key": "web", "model": "gpt-4o"}, True),
        ({"key": "web", "model": "gpt-5"}, False),
        ({"tag": ("project", "apollo")}, True),
        ({"tag": ("project", "gemini")}, False),
        ({"tag": ("owner", "apollo")}, False),
    ],
)
def test_a_budget_binds_what_has_all_of_its_parts(parts: dict[str, object], binds: bool) -> None:
    assert a_rule(**parts).binds(USE) is binds


def test_who_is_in_no_team_is_bound_by_no_teams_budget() -> None:
    assert not a_rule(team="red").binds(Use(key="web", model="gpt-4o"))


def test_the_day_is_that_of_the_tenants_clocks() -> None:
    late = datetime(2026, 11, 30, 23, 30, tzinfo=UTC)
    assert a_rule(time_zone="Europe/Berlin").period(late) == "2026-12"
    assert a_rule(per="day", time_zone="America/New_York").window(late) == "2026-11-30 month"
    assert a_rule(per="total").period(late) == "total"


@given(
    st.integers(1_577_836_800, 2_051_222_400).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia", "Africa/Cairo"]),
    st.sampled_from(["day", "month"]),
)
def test_a_window_ends_where_the_next_one_begins(at: datetime, zone: str, per: str) -> None:
    rule = a_rule(per=per, time_zone=zone)
    ends = rule.ends(at)
    assert ends is not None
    assert ends > at
    # Where clocks skip midnight the day begins an hour later.
    assert rule.period(ends + timedelta(hours=1)) > rule.period(at)
    assert rule.period(ends - timedelta(hours=2)) == rule.period(at) or ends - at < timedelta(hours=2)


def test_every_budget_of_the_configuration_is_a_rule() -> None:
    config = parse_config(
        """
        tenants:
          acme:
            time_zone: Asia/Kolkata
            keys: {web: {hash: "sha256:%s", team: red}}
            budgets:
              - {dollars: 100}
              - {dollars: "0.5", per: day, team: red, alerts: [90], hard: false}
              - {dollars: 3, per: total, tag: project=apollo}
        """
        % ("0" * 64),
        {},
    )
    rules = rules_of(config)["acme"]
    assert [(rule.name, rule.limit, rule.hard) for rule in rules] == [
        ("month", 100_000_000_000, True),
        ("day team=red", 500_000_000, False),
        ("total tag=project=apollo", 3_000_000_000, True),
    ]
    assert rules[2].tag == ("project", "apollo")
    assert {rule.time_zone for rule in rules} == {"Asia/Kolkata"}


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("time_zone: Mars/Base", "no time zone 'Mars/Base'"),
        ("budgets: [{dollars: 0}]", "greater than 0"),
        ("budgets: [{dollars: 9000001}]", "less than or equal to 9000000"),
        ("budgets: [{dollars: 1}, {dollars: 2}]", "there is another budget 'month'"),
        ("budgets: [{dollars: 1, model: gpt}]", "no model 'gpt'"),
        ("budgets: [{dollars: 1, tag: apollo}]", "pattern"),
    ],
)
def test_a_budget_that_means_nothing_is_told(section: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told.replace("(", r"\(")):
        parse_config(f"tenants:\n  acme:\n    {section}\n", {})


def test_a_zone_that_python_knows_is_taken() -> None:
    assert Config.model_validate({"tenants": {"a": {"time_zone": "Europe/Berlin"}}}).tenants["a"].time_zone == str(
        ZoneInfo("Europe/Berlin")
    )


_WORDS = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,20}\Z")
_TEXTS = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(
    st.sampled_from(["day", "month", "total"]),
    st.none() | _WORDS,
    st.none() | _WORDS,
    st.none() | _TEXTS.filter(lambda model: " tag=" not in model),
    st.none() | st.tuples(_TEXTS.filter(lambda label: "=" not in label), _TEXTS).map("=".join),
)
def test_a_budgets_name_says_all_that_tells_it_from_others(
    per: str, team: str | None, key: str | None, model: str | None, tag: str | None
) -> None:
    said = {"per": per, "team": team, "key": key, "model": model, "tag": tag}
    budget = Budget.model_validate({"dollars": 1, **said})
    assert parts_of(budget.name) == {part: value for part, value in said.items() if value is not None}


@pytest.mark.parametrize("name", ["", "week", "month ", "month key=a team=b", "day tag=a", "day model=\n"])
def test_what_is_no_name_has_no_parts(name: str) -> None:
    assert parts_of(name) == {}


@pytest.mark.parametrize("dollars", ["0", "-1", "9000001", "0.0000000001"])
def test_an_amount_that_no_budget_can_have_is_refused(dollars: str) -> None:
    with pytest.raises(ValidationError):
        Budget.model_validate({"dollars": dollars})
