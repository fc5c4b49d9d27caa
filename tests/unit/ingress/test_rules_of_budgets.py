"""Which budgets bind a key, of those in the file and those that administrators set while everything runs."""

from services.ingress.budget_rules import BudgetRules
from tests.suites.budgets import a_rule

FILE = a_rule("month", dollars=5)


def names(rules: BudgetRules, key: str = "web", tenant: str = "acme") -> list[str]:
    return [rule.name for rule in rules.of(tenant, key)]


def test_a_key_is_bound_by_what_is_its_own_and_what_is_everybodys() -> None:
    rules = BudgetRules({"acme": [FILE]})
    rules.take_all({"acme": [a_rule("web", key="web"), a_rule("other", key="other"), a_rule("team", team="red")]})
    assert names(rules) == ["month", "team", "web"]
    assert names(rules, tenant="rival") == []


def test_what_the_file_says_goes_first() -> None:
    rules = BudgetRules({"acme": [FILE]})
    rules.take(["acme"], {"acme": [a_rule("month", dollars=1000)]})
    assert list(rules.of("acme", "web")) == [FILE]


def test_a_budget_that_is_removed_binds_nobody_and_others_stay() -> None:
    rules = BudgetRules({})
    rules.take_all({"acme": [a_rule("one")], "rival": [a_rule("two", tenant="rival")]})
    rules.take(["acme"], {})
    assert (names(rules), names(rules, tenant="rival")) == ([], ["two"])


def test_when_everything_may_have_changed_nothing_stays_but_the_file() -> None:
    rules = BudgetRules({"acme": [FILE]})
    rules.take_all({"acme": [a_rule("one")], "rival": [a_rule("two", tenant="rival")]})
    rules.take_all({})
    assert (names(rules), names(rules, tenant="rival")) == (["month"], [])
