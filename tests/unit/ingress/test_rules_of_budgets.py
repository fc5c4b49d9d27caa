"""Which budgets bind a key, of those in the file and those that administrators set while everything runs."""

from services.ingress.budget_rules import BudgetRules, BudgetsInForce
from shared.budgets import BudgetRule
from tests.suites.budgets import a_rule

FILE = a_rule("month", dollars=5)
NEW = a_rule("day", per="day", dollars=1)


def made(*rules: BudgetRule) -> BudgetsInForce:
    return BudgetsInForce(made=rules)


def names(rules: BudgetRules, key: str = "web", tenant: str = "acme") -> list[str]:
    return [rule.name for rule in rules.of(tenant, key)]


def test_a_key_is_bound_by_what_is_its_own_and_what_is_everybodys() -> None:
    rules = BudgetRules({"acme": [FILE]})
    rules.take_all({"acme": made(a_rule("web", key="web"), a_rule("other", key="other"), a_rule("team", team="red"))})
    assert names(rules) == ["month", "team", "web"]
    assert names(rules, tenant="rival") == []


def test_what_the_file_says_goes_first() -> None:
    rules = BudgetRules({"acme": [FILE]})
    rules.take(["acme"], {"acme": made(a_rule("month", dollars=1000))})
    assert list(rules.of("acme", "web")) == [FILE]


def test_a_budget_that_is_removed_binds_nobody_and_others_stay() -> None:
    rules = BudgetRules({})
    rules.take_all({"acme": made(a_rule("one")), "rival": made(a_rule("two", tenant="rival"))})
    rules.take(["acme"], {})
    assert (names(rules), names(rules, tenant="rival")) == ([], ["two"])


def test_when_everything_may_have_changed_nothing_stays_but_the_file() -> None:
    rules = BudgetRules({"acme": [FILE]})
    rules.take_all({"acme": made(a_rule("one")), "rival": made(a_rule("two", tenant="rival"))})
    rules.take_all({})
    assert (names(rules), names(rules, tenant="rival")) == (["month"], [])


def test_a_new_budget_of_the_file_binds_once_it_is_in_force() -> None:
    rules = BudgetRules({"acme": [FILE]})
    rules.go_by({"acme": [FILE, NEW], "rival": [a_rule("month", tenant="rival")]})
    assert (names(rules), names(rules, tenant="rival")) == (["month"], [])
    rules.take(["acme"], {"acme": BudgetsInForce(configured=[FILE, NEW])})
    assert names(rules) == ["month", "day"]
    rules.take_all({})
    assert names(rules) == ["month", "day"], "what has come into force stays there, whoever is away"


def test_one_that_is_in_force_as_it_was_is_not_yet_what_it_has_become() -> None:
    rules = BudgetRules({"acme": [FILE]})
    rules.take_all({"acme": BudgetsInForce(configured=[FILE])})
    moved = a_rule("month", dollars=5, time_zone="Asia/Tokyo")
    rules.go_by({"acme": [moved]})
    assert list(rules.of("acme", "web")) == [FILE]
    rules.take(["acme"], {"acme": BudgetsInForce(configured=[moved])})
    assert list(rules.of("acme", "web")) == [moved]


def test_another_limit_holds_at_once() -> None:
    rules = BudgetRules({"acme": [FILE]})
    lower = a_rule("month", dollars=1)
    rules.go_by({"acme": [lower]})
    assert list(rules.of("acme", "web")) == [lower]


def test_what_the_file_says_no_more_binds_nobody_though_the_database_has_it_still() -> None:
    rules = BudgetRules({"acme": [FILE]})
    rules.take_all({"acme": BudgetsInForce(configured=[FILE])})
    rules.go_by({})
    assert names(rules) == []
