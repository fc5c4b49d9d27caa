"""What holds on every journey, whatever the providers do."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.routing.journey import advance, begin
from services.router_worker.routing.plan import Candidate, Plan
from services.router_worker.routing.steps import (
    AttemptFailed,
    Call,
    FirstOutput,
    GiveUp,
    Listen,
    Restart,
    Succeed,
    Succeeded,
    Wait,
    Waited,
)
from shared.config.schema import Retries, Timeouts
from shared.contracts import Interruption

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Answer:
    """What a provider does with one call."""

    seconds: float
    shows: bool
    failure: Failure | None
    jitter: float


@dataclass
class Seen:
    """What happened on a journey."""

    calls: list[Call] = field(default_factory=list)
    restarts: int = 0
    end: Succeed | GiveUp | None = None


moments = st.floats(0, 100)
failures = st.builds(
    Failure,
    kind=st.sampled_from(FailureKind),
    message=st.just("no"),
    retry_after=st.none() | st.floats(0, 300).map(lambda seconds: timedelta(seconds=seconds)),
)
answers = st.builds(
    Answer,
    seconds=moments,
    shows=st.booleans(),
    failure=failures | failures | failures | st.none(),
    jitter=st.floats(0, 1, exclude_max=True),
)
plans = st.lists(st.tuples(st.sampled_from("mno"), st.booleans()), min_size=1, max_size=4).map(
    lambda kinds: Plan(
        tuple(
            Candidate(f"d{number}", "p", "u", serves, Timeouts(), prefill=prefill)
            for number, (serves, prefill) in enumerate(kinds)
        )
    )
)
patience = st.builds(
    Retries,
    per_deployment=st.integers(0, 3),
    base_delay_seconds=st.floats(0.5, 4),
    max_delay_seconds=st.floats(1, 20),
    rounds=st.integers(1, 3),
)
worlds = {
    "plan": plans,
    "policy": st.sampled_from(Interruption),
    "retries": patience,
    "seconds": st.floats(0, 200),
    "shown": st.booleans(),
    "behaviour": st.lists(answers, min_size=1, max_size=30),
}
FOR_EVER = 10_000


def travel(
    plan: Plan, policy: Interruption, retries: Retries, seconds: float, shown: bool, behaviour: list[Answer]
) -> Seen:
    """Plays a journey against providers that repeat their behaviour for ever; checks every step on the way."""
    seen, deadline, now = Seen(), NOON + timedelta(seconds=seconds), NOON
    not_before: dict[str, datetime] = {}
    journey, step = begin(plan, policy, retries, deadline, now, shown=shown)
    for turn in range(FOR_EVER):
        if isinstance(step, Restart):
            assert shown, "nothing was shown that could be void"
            shown, step = False, step.call
            seen.restarts += 1
        match step:
            case Succeed() | GiveUp():
                seen.end = step
                return seen
            case Wait(until):
                assert now < until < deadline
                now = until
                journey, step = advance(journey, Waited(now))
            case Call(candidate):
                assert now < deadline
                assert step.resume == shown
                assert not_before.get(candidate.name, now) <= now, "it was called while it was parked"
                seen.calls.append(step)
                answer = behaviour[turn % len(behaviour)]
                now += timedelta(seconds=answer.seconds)
                if answer.shows:
                    shown = True
                    journey, listening = advance(journey, FirstOutput(now))
                    assert listening == Listen()
                if answer.failure is None:
                    journey, step = advance(journey, Succeeded(now))
                    continue
                if answer.failure.retry_after is not None:
                    not_before[candidate.name] = now + answer.failure.retry_after
                journey, step = advance(journey, AttemptFailed(answer.failure, now, answer.jitter))
                if shown and policy is Interruption.FAIL:
                    assert isinstance(step, GiveUp), "what was shown cannot be unsaid"
            case _:
                raise AssertionError(step)
    raise AssertionError("the journey does not end")


@settings(max_examples=300, deadline=None)
@given(**worlds)
def test_every_journey_ends_and_calls_nobody_too_late_or_while_parked(
    plan: Plan, policy: Interruption, retries: Retries, seconds: float, shown: bool, behaviour: list[Answer]
) -> None:
    assert travel(plan, policy, retries, seconds, shown, behaviour).end is not None


@settings(max_examples=150, deadline=None)
@given(**worlds)
def test_the_number_of_calls_is_bounded(
    plan: Plan, policy: Interruption, retries: Retries, seconds: float, shown: bool, behaviour: list[Answer]
) -> None:
    seen = travel(plan, policy, retries, seconds, shown, behaviour)
    tries = retries.rounds * (1 + retries.per_deployment)
    # Each parking lasts at least half of a ceiling that doubles up to its maximum.
    lasts_at_least = min(retries.base_delay_seconds, retries.max_delay_seconds) / 2
    parkings = 1 + seconds / lasts_at_least
    assert all(count <= tries + parkings for count in Counter(c.candidate.name for c in seen.calls).values())
    assert [call.attempt for call in seen.calls] == list(range(1, len(seen.calls) + 1))


@settings(max_examples=150, deadline=None)
@given(**worlds)
def test_restarts_happen_only_where_the_policy_allows_them(
    plan: Plan, policy: Interruption, retries: Retries, seconds: float, shown: bool, behaviour: list[Answer]
) -> None:
    seen = travel(plan, policy, retries, seconds, shown, behaviour)
    if policy is Interruption.FAIL:
        assert seen.restarts == 0
    if policy is not Interruption.CONTINUE:
        assert not any(call.resume for call in seen.calls)
    assert all(call.candidate.prefill for call in seen.calls if call.resume)
