"""What a worker shows of itself: who waits, and how long jobs keep their slots, ended or not."""

from hypothesis import given
from hypothesis import strategies as st

from services.router_worker.load import LetIn, Stall, named

STANDING = st.dictionaries(st.text(max_size=3), st.integers(1, 50), max_size=80)


@given(STANDING)
def test_those_with_the_most_are_named_and_no_job_is_forgotten(standing: dict[str, int]) -> None:
    most, rest = named(standing)
    assert sum(most.values()) + rest == sum(standing.values())
    assert len(most) == min(32, len(standing))
    assert all(standing[tenant] == jobs for tenant, jobs in most.items())
    unnamed = [jobs for tenant, jobs in standing.items() if tenant not in most]
    assert not unnamed or max(unnamed) <= min(most.values())


def test_when_somebody_waits_and_no_slot_was_handed_out_every_job_has_run_that_long() -> None:
    stall = Stall()
    assert stall.look(handed_out=8, waiting=1, now=100) == 0
    assert stall.look(handed_out=8, waiting=2, now=130) == 30
    assert stall.look(handed_out=9, waiting=1, now=131) == 0
    assert stall.look(handed_out=9, waiting=1, now=135) == 4


def test_when_nobody_waits_nothing_stalls() -> None:
    stall = Stall()
    stall.look(handed_out=8, waiting=0, now=100)
    assert stall.look(handed_out=8, waiting=0, now=130) == 0
    assert stall.look(handed_out=8, waiting=1, now=131) == 1


def test_what_a_limit_lets_in_is_known_after_a_while_and_forgets() -> None:
    let_in = LetIn()
    assert let_in.look(taken=100, now=0) is None
    assert let_in.look(taken=104, now=1) is None
    assert let_in.look(taken=109, now=2) == 5
    for second in range(3, 60):
        parked = let_in.look(taken=109, now=second)
    assert parked == 1 / 29
