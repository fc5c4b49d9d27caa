"""Whatever all jobs are kept from, and whenever that changes: a journey ends, and calls nobody it should not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.resilience.not_now import NotNow
from services.router_worker.routing.journey import advance, begin
from services.router_worker.routing.plan import Candidate, Plan
from services.router_worker.routing.steps import (
    Admitted,
    AttemptFailed,
    Call,
    GiveUp,
    Openings,
    Queue,
    Succeed,
    Wait,
    Waited,
)
from shared.config.schema import Retries, Timeouts
from shared.contracts import Interruption

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAMES = ("a", "b", "c")
PLAN = Plan(tuple(Candidate(name, name, name, serves, Timeouts()) for name, serves in zip(NAMES, "mmn", strict=True)))
RETRIES = Retries(per_deployment=1, base_delay_seconds=1, max_delay_seconds=4, rounds=2)
TURNS = 500


@dataclass(frozen=True)
class Weather:
    """How the deployments look for a while: free, not to be called for so long, or full, with so much patience."""

    parked: dict[str, tuple[float, FailureKind]]
    full: dict[str, float | None]
    lets_in: bool
    fails: FailureKind | None

    def openings(self, now: datetime) -> Openings:
        parked = {
            name: NotNow(now + timedelta(seconds=seconds), Failure(kind, "not now"))
            for name, (seconds, kind) in self.parked.items()
        }
        return Openings(parked, {name: patience for name, patience in self.full.items() if name not in parked})


kinds = st.sampled_from(
    [FailureKind.RATE_LIMITED, FailureKind.CONNECT, FailureKind.SERVER_ERROR, FailureKind.AUTH, FailureKind.STALL]
)
weathers = st.builds(
    Weather,
    parked=st.dictionaries(st.sampled_from(NAMES), st.tuples(st.floats(0.5, 40), kinds)),
    full=st.dictionaries(st.sampled_from(NAMES), st.none() | st.floats(0, 10)),
    lets_in=st.booleans(),
    fails=st.none() | kinds,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(weathers, min_size=1, max_size=12), st.floats(1, 120))
def test_a_journey_ends_in_time_and_calls_nobody_who_is_not_to_be_called(
    sky: Sequence[Weather], seconds: float
) -> None:
    now, deadline = NOON, NOON + timedelta(seconds=seconds)
    openings = sky[0].openings(now)
    journey, step = begin(PLAN, Interruption.RESTART, RETRIES, deadline, now, openings=openings)
    for turn in range(1, TURNS):
        weather = sky[turn % len(sky)]
        match step:
            case Succeed() | GiveUp():
                return
            case Call(candidate):
                assert now < deadline
                assert candidate.name not in openings.parked, "it was not to be called"
                assert candidate.name not in openings.full, "it was full"
                now += timedelta(seconds=0.5)
                if weather.fails is None:
                    return
                openings = weather.openings(now)
                journey, step = advance(journey, AttemptFailed(Failure(weather.fails, "no"), now, 0.5), openings)
            case Wait(until):
                assert now < until < deadline
                now = until
                openings = weather.openings(now)
                journey, step = advance(journey, Waited(now), openings)
            case Queue(candidates, until):
                assert now < until <= deadline
                assert all(each.name in openings.full for each in candidates), "only those are stood in line for"
                openings = weather.openings(now)
                if weather.lets_in:
                    now += timedelta(seconds=0.1)
                    journey, step = advance(journey, Admitted(candidates[0].name, now), openings)
                    if isinstance(step, Call):
                        openings = Openings()
                else:
                    now = until
                    openings = weather.openings(now)
                    journey, step = advance(journey, Waited(now), openings)
            case _:
                raise AssertionError(step)
        assert all(each.waits <= RETRIES.rounds for each in journey.standings), "nobody is waited for more often"
    raise AssertionError(f"it does not end: {step}")
