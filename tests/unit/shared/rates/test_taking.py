"""From all scopes or from none; and what a refusal says is true."""

from hypothesis import given
from hypothesis import strategies as st

from shared.rates import UNIT, Refusal, Resource, Scope, State, Taken, take

NONE_OR = st.none() | st.integers(1, 50)
SCOPES = st.lists(st.builds(Scope, st.just("key:a"), NONE_OR, NONE_OR, NONE_OR), min_size=1, max_size=4)
ASKED = st.lists(
    st.tuples(st.integers(0, 20_000), st.integers(0, 20), st.sampled_from([None, 0, 5000, 10**9])), max_size=40
)


def at_first(scopes: list[Scope]) -> tuple[State, ...]:
    return tuple(State(0) for _ in scopes)


@given(SCOPES, ASKED)
def test_a_refusal_takes_nothing_and_a_grant_takes_from_everybody(
    scopes: list[Scope], asked: list[tuple[int, int, int | None]]
) -> None:
    states, now = at_first(scopes), 0
    for number, (ms, tokens, patience) in enumerate(asked):
        now += ms
        before = tuple(state.later(scope, now) for scope, state in zip(scopes, states, strict=True))
        found = take(scopes, states, job=str(number), tokens=tokens, now_ms=now, patience_ms=patience, place_ms=9000)
        states = found.states
        if isinstance(found, Refusal):
            assert states == before
            continue
        for scope, old, new in zip(scopes, before, states, strict=True):
            for resource, _ in scope.limits():
                cost = UNIT if resource is Resource.REQUESTS else tokens * UNIT
                taken = old.buckets[resource].level - new.buckets[resource].level
                owing = new.buckets[resource].owed - old.buckets[resource].owed
                assert sorted((taken, owing)) == sorted((0, cost))
            if scope.places is not None and patience is None:
                assert new.places.keys() - old.places.keys() == {str(number)}
                assert len(new.places) <= scope.places


@given(SCOPES, ASKED)
def test_whoever_comes_again_at_the_time_that_was_named_is_let_in(
    scopes: list[Scope], asked: list[tuple[int, int, int | None]]
) -> None:
    scopes = [Scope(scope.name, scope.requests, scope.tokens) for scope in scopes]
    states, now = at_first(scopes), 0
    for number, (ms, tokens, patience) in enumerate(asked):
        now += ms
        found = take(scopes, states, job=str(number), tokens=tokens, now_ms=now, patience_ms=patience, place_ms=1)
        states = found.states
        if isinstance(found, Refusal) and found.retry_ms is not None:
            again = take(
                scopes, states, job="x", tokens=tokens, now_ms=now + found.retry_ms, patience_ms=patience, place_ms=1
            )
            sooner = take(
                scopes,
                states,
                job="x",
                tokens=tokens,
                now_ms=now + found.retry_ms - 1,
                patience_ms=patience,
                place_ms=1,
            )
            assert isinstance(again, Taken)
            assert isinstance(sooner, Refusal)


def test_of_several_that_are_short_the_one_that_takes_longest_is_named() -> None:
    quick, slow = Scope("key:a", requests=60), Scope("tenant:a", requests=2)
    states: tuple[State, ...] = (State(0), State(0))
    for number in range(2):
        states = take([quick, slow], states, job=str(number), tokens=0, now_ms=0, patience_ms=None, place_ms=1).states
    found = take([quick, slow], states, job="x", tokens=0, now_ms=0, patience_ms=None, place_ms=1)
    assert isinstance(found, Refusal)
    assert (found.scope, found.resource, found.retry_ms) == (1, Resource.REQUESTS, 30_000)


def test_what_is_larger_than_a_minutes_worth_is_never_granted_to_who_cannot_wait() -> None:
    scope = Scope("key:a", tokens=100)
    never = take([scope], [State(0)], job="x", tokens=101, now_ms=0, patience_ms=None, place_ms=1)
    later = take([scope], [State(0)], job="x", tokens=101, now_ms=0, patience_ms=10**9, place_ms=1)
    assert isinstance(never, Refusal)
    assert never.retry_ms is None
    assert isinstance(later, Taken)
    assert later.wait_ms > 60_000


def test_a_place_is_free_again_when_its_time_is_over() -> None:
    scope = Scope("key:a", places=1)
    first = take([scope], [State(0)], job="a", tokens=0, now_ms=0, patience_ms=None, place_ms=1000)
    second = take([scope], first.states, job="b", tokens=0, now_ms=999, patience_ms=None, place_ms=1000)
    third = take([scope], second.states, job="b", tokens=0, now_ms=1000, patience_ms=None, place_ms=1000)
    assert [type(each) for each in (first, second, third)] == [Taken, Refusal, Taken]
