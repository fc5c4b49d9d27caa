from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from services.router_worker.consumption.offset_ledger import OffsetLedger, Progress

offsets = st.integers(min_value=0, max_value=10_000)


def test_a_fresh_ledger_would_commit_where_it_began() -> None:
    assert OffsetLedger(7).progress() == Progress(7, "")


def test_the_watermark_never_passes_an_unfinished_offset_in_any_order_of_six() -> None:
    for order in permutations(range(6)):
        ledger = OffsetLedger(0)
        for offset in range(6):
            assert ledger.admit(offset, now=0)
        finished: set[int] = set()
        for offset in order:
            ledger.finish(offset)
            finished.add(offset)
            unfinished = set(range(6)) - finished
            assert ledger.watermark == min(unfinished, default=6)


def test_what_runs_or_has_finished_here_is_not_admitted_again() -> None:
    ledger = OffsetLedger(0)
    ledger.admit(0, now=0)
    ledger.admit(1, now=0)
    ledger.finish(1)
    assert not ledger.admit(0, now=0)
    assert not ledger.admit(1, now=0)
    assert ledger.watermark == 0


@given(first=offsets, finished=st.sets(st.integers(0, 300)))
def test_the_next_owner_skips_exactly_what_had_finished(first: int, finished: set[int]) -> None:
    former = OffsetLedger(first)
    for place in range(301):
        former.admit(first + place, now=0)
    for place in finished:
        former.finish(first + place)

    progress = former.progress()
    successor = OffsetLedger.resume(progress, 0)
    admitted = {offset for offset in range(progress.offset, first + 301) if successor.admit(offset, now=0)}

    assert admitted == {first + place for place in range(301)} - {first + place for place in finished}


@given(progress=st.builds(Progress, offset=offsets, metadata=st.text(max_size=40)))
def test_foreign_metadata_never_skips_an_offset_below_the_committed_one(progress: Progress) -> None:
    assert OffsetLedger.resume(progress, 0).watermark == progress.offset


@given(first=offsets, length=st.integers(1, 2000))
def test_the_metadata_stays_below_the_brokers_limit(first: int, length: int) -> None:
    ledger = OffsetLedger(first)
    for offset in range(first, first + length):
        ledger.admit(offset, now=0)
    for offset in range(first + 1, first + length):
        ledger.finish(offset)
    assert len(ledger.progress().metadata) < 4096


def test_a_commit_after_a_skipped_offset_moves_past_it() -> None:
    former = OffsetLedger(0)
    for offset in range(3):
        former.admit(offset, now=0)
    former.finish(1)
    successor = OffsetLedger.resume(former.progress(), 0)
    assert [successor.admit(offset, now=0) for offset in range(3)] == [True, False, True]
    successor.finish(0)
    successor.finish(2)
    assert successor.progress() == Progress(3, "")


def test_the_oldest_is_the_one_that_holds_the_watermark() -> None:
    ledger = OffsetLedger(0)
    assert ledger.oldest is None
    for offset in range(3):
        ledger.admit(offset, now=10 + offset)
    ledger.finish(1)
    ledger.finish(0)
    assert ledger.oldest == 12


@given(
    delivered=st.integers(1, 60),
    here=st.sets(st.integers(0, 60)),
    there=st.sets(st.integers(0, 60)),
    reached=st.integers(0, 60),
)
def test_what_an_owner_in_between_has_finished_is_neither_repeated_nor_taken_back(
    delivered: int, here: set[int], there: set[int], reached: int
) -> None:
    ledger, other = OffsetLedger(0), OffsetLedger(0)
    for offset in range(delivered):
        ledger.admit(offset, now=0)
    for offset in range(reached):
        other.admit(offset, now=0)
    for offset in here:
        ledger.finish(offset)
    for offset in there:
        other.finish(offset)
    before, elsewhere = ledger.watermark, other.progress()

    ledger.learn(elsewhere)

    ended = {offset for offset in here if offset < delivered} | {offset for offset in there if offset < reached}
    assert ledger.watermark >= max(before, elsewhere.offset)
    again = {offset for offset in range(61) if ledger.admit(offset, now=0)}
    assert again == {offset for offset in range(delivered, 61) if offset not in ended and offset >= elsewhere.offset}
    for offset in range(61):
        ledger.finish(offset)
    assert ledger.progress() == Progress(61, "")


@given(delivered=st.integers(0, 50), finished=st.sets(st.integers(0, 49)))
def test_what_an_owner_that_died_may_have_had_in_hand_is_risky(delivered: int, finished: set[int]) -> None:
    dead = OffsetLedger(0)
    for offset in range(delivered):
        dead.admit(offset, now=0)
    for offset in finished:
        dead.finish(offset)
    successor = OffsetLedger.resume(dead.progress(), log_end=60)
    assert all(successor.is_risky(offset) for offset in range(delivered))
    assert not successor.is_risky(60)


def test_what_a_living_owner_let_go_of_is_not_risky() -> None:
    former = OffsetLedger(5)
    former.admit(5, now=0)
    former.admit(6, now=0)
    former.finish(6)
    successor = OffsetLedger.resume(former.last_progress(), log_end=60)
    assert not successor.is_risky(5)
    assert [successor.admit(offset, now=0) for offset in (5, 6)] == [True, False]


def test_the_risk_is_handed_on_until_the_last_risky_offset_is_done_with() -> None:
    heir = OffsetLedger.resume(Progress(3, ""), log_end=5)
    heir.admit(3, now=0)
    heir.admit(4, now=0)
    heir.finish(3)
    assert OffsetLedger.resume(heir.last_progress(), log_end=9).is_risky(4)
    heir.finish(4)
    assert not OffsetLedger.resume(heir.last_progress(), log_end=9).is_risky(5)


def test_a_partition_that_nobody_had_holds_no_risk() -> None:
    assert not OffsetLedger.resume(Progress.untouched(7), log_end=9).is_risky(7)
