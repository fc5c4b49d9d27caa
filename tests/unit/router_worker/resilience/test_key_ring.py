"""Keys of a provider: which may be used, and what workers tell each other of them."""

from datetime import timedelta
from math import inf

import pytest

from services.router_worker.failures import Failure, FailureKind
from services.router_worker.resilience.keys import DEAD_SECONDS, NEW_KEY, Key, KeyRing, KeyState, Resting
from shared.config.patience import Retries

AUTH, PERMISSION, NO_CREDIT = FailureKind.AUTH, FailureKind.PERMISSION, FailureKind.QUOTA_EXHAUSTED
LIMITED = FailureKind.RATE_LIMITED


def states(count: int) -> list[KeyState]:
    return [KeyState(f"p@{number}") for number in range(count)]


def rings(keys: int = 2) -> tuple[KeyRing, KeyRing]:
    """Of two models of one provider."""
    everywhere = states(keys)
    return KeyRing(everywhere, states(keys)), KeyRing(everywhere, states(keys))


def fails(ring: KeyRing, number: int, kind: FailureKind, *, now: float = 0, seconds: float = 0) -> float | None:
    failure = Failure(kind, "no", retry_after=timedelta(seconds=seconds))
    return ring.failed(number, failure, Retries(), now, 0.0)


def test_a_key_that_is_unknown_is_so_for_every_model_of_its_provider() -> None:
    ring, other = rings()
    assert fails(ring, 0, AUTH) == inf
    assert (ring.rests_until(0), other.rests_until(0)) == (inf, inf)
    assert (other.rests_until(1), other.in_use) == (-inf, 1)


def test_a_key_that_may_not_use_a_model_may_use_others() -> None:
    ring, other = rings()
    assert fails(ring, 0, PERMISSION) == inf
    assert ring.rests_until(0) == inf
    assert other.rests_until(0) == -inf


def test_a_key_without_credit_rests_for_all_models_and_one_at_its_limit_for_its_own() -> None:
    ring, other = rings()
    assert fails(ring, 0, NO_CREDIT, now=10) == 310
    assert fails(ring, 1, LIMITED, now=10, seconds=60) == 70
    assert [other.rests_until(number) for number in (0, 1)] == [310, -inf]
    assert ring.rests_until(1) == 70


def test_when_all_keys_are_put_aside_none_is() -> None:
    ring, _ = rings()
    fails(ring, 0, AUTH)
    assert fails(ring, 1, AUTH) is None, "there is no other to go on with"
    assert [ring.rests_until(number) for number in (0, 1)] == [-inf, -inf]
    assert (ring.in_use, ring.has_another(0)) == (0, False)


def test_of_keys_that_were_all_put_aside_the_one_that_is_taken_again_is_used_alone() -> None:
    ring, _ = rings()
    fails(ring, 0, AUTH)
    fails(ring, 1, PERMISSION)
    ring.answered(1, 5)
    assert [ring.rests_until(number) for number in (0, 1)] == [inf, -inf]
    ring.renew()
    assert ring.in_use == 2


def test_the_only_key_of_a_provider_never_rests() -> None:
    ring, _ = rings(1)
    for kind in (AUTH, PERMISSION, NO_CREDIT, LIMITED):
        assert fails(ring, 0, kind) is None
    assert ring.rests_until(0) == -inf
    assert ring.in_use == 1


def test_an_answer_to_an_older_call_does_not_wake_a_key_that_rests() -> None:
    ring, _ = rings()
    fails(ring, 0, LIMITED, seconds=60)
    ring.answered(0, 5)
    assert ring.rests_until(0) == 60


def test_a_late_limit_does_not_bring_back_a_key_that_is_put_aside() -> None:
    ring, _ = rings(3)
    fails(ring, 0, PERMISSION)
    fails(ring, 0, LIMITED, seconds=60)
    assert ring.rests_until(0) == inf


@pytest.mark.parametrize(("kind", "seconds"), [(AUTH, DEAD_SECONDS), (PERMISSION, DEAD_SECONDS), (NO_CREDIT, 300)])
def test_others_are_told_of_it_once_and_of_its_end(kind: FailureKind, seconds: float) -> None:
    state = KeyState("p@1")
    ring = KeyRing([state, KeyState("p@2")], states(2)) if kind is not PERMISSION else KeyRing(states(2), [state] * 2)
    fails(ring, 0, kind, now=10)
    assert state.untold
    assert state.told(10) == Resting(seconds, kind)
    state.untold = False
    state.put(NEW_KEY)
    assert state.untold
    assert state.told(10) is None


def test_nobody_is_told_of_a_limit() -> None:
    ring, _ = rings()
    fails(ring, 0, LIMITED, seconds=60)
    assert not any(state.untold for state in ring.states)


def test_what_others_say_holds_until_they_say_something_else() -> None:
    state = KeyState("p@1")
    assert state.hear(Resting(100, AUTH), 10)
    assert state.key.is_dead
    assert not state.hear(Resting(99, AUTH), 11), "that is nothing new"
    assert state.hear(None, 12)
    assert state.key == NEW_KEY


def test_a_rest_that_is_heard_of_ends_as_it_does_for_others() -> None:
    state = KeyState("p@1")
    assert state.hear(Resting(100, NO_CREDIT), 10)
    assert not state.hear(Resting(99.5, NO_CREDIT), 10.4)
    assert state.key.until == 110
    assert state.hear(Resting(300, NO_CREDIT), 20)
    assert state.key.until == 320


def test_what_is_not_told_yet_is_not_overruled_by_what_others_knew_before() -> None:
    state = KeyState("p@1", Key(5, NO_CREDIT))
    state.put(Key(400, NO_CREDIT))
    assert not state.hear(None, 10)
    assert state.key.until == 400


def test_that_others_know_of_nothing_does_not_end_a_limit() -> None:
    state = KeyState("p/a@1", Key(60, LIMITED, 1))
    assert not state.hear(None, 10)
    assert state.key.until == 60
