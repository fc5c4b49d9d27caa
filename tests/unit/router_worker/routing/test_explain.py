"""What a job says of each deployment of its plan."""

from dataclasses import dataclass

from services.router_worker.failures import Cause
from services.router_worker.routing.explain import explained
from services.router_worker.routing.plan import Candidate, Plan, Skipped
from shared.config.schema import Timeouts
from shared.contracts import AttemptStatus


@dataclass(frozen=True)
class Call:
    deployment: str
    status: AttemptStatus = AttemptStatus.FAILED
    error_kind: str | None = None
    provider_key: str | None = None


def a_candidate(name: str, serves: str = "m", *after: Cause) -> Candidate:
    return Candidate(name, name, name, serves, Timeouts(), after=frozenset(after))


def told(plan: Plan, *calls: Call) -> list[tuple[str, str, str]]:
    return [(entry.deployment, entry.verdict, entry.reason) for entry in explained(plan, calls)]


def test_every_deployment_of_a_plan_is_explained() -> None:
    candidates = (a_candidate("a"), a_candidate("b"), a_candidate("c", "n", Cause.OUTAGE), a_candidate("d", "o"))
    plan = Plan(candidates, (Skipped("e", "the rule 'eu' allows others only", serves="m"),), "m", "latency")
    calls = (Call("a", error_kind="overloaded"), Call("a", error_kind="stall"), Call("b", AttemptStatus.SUCCEEDED))
    assert told(plan, *calls) == [
        ("a", "asked", "number 1 by latency: overloaded, then stall"),
        ("b", "asked", "number 2 by latency: succeeded"),
        ("c", "spare", "fallback, only after outage"),
        ("d", "spare", "fallback"),
        ("e", "skipped", "the rule 'eu' allows others only"),
    ]


def test_each_says_which_model_it_was_to_answer_for() -> None:
    plan = Plan((a_candidate("a"), a_candidate("d", "o")), (), "m", "priority")
    assert [entry.model for entry in explained(plan, ())] == ["m", "o"]


def test_a_model_that_is_gone_is_explained() -> None:
    gone = Plan((), (Skipped("m", "no such model in the configuration", serves="m"),))
    assert told(gone) == [("m", "skipped", "no such model in the configuration")]


def test_where_a_provider_has_several_keys_each_call_says_which_was_used() -> None:
    calls = (Call("a", error_kind="auth", provider_key="blue"), Call("a", AttemptStatus.SUCCEEDED, None, "green"))
    assert told(Plan((a_candidate("a"),), (), "m", "priority"), *calls) == [
        ("a", "asked", "number 1 by priority: auth with key blue, then succeeded with key green")
    ]
