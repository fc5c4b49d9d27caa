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
            assert ledger.admit(offset)
        finished: set[int] = set()
        for offset in order:
            ledger.finish(offset)
            finished.add(offset)
            unfinished = set(range(6)) - finished
            assert ledger.watermark == min(unfinished, default=6)


def test_what_runs_or_has_finished_here_is_not_admitted_again() -> None:
    ledger = OffsetLedger(0)
    ledger.admit(0)
    ledger.admit(1)
    ledger.finish(1)
    assert not ledger.admit(0)
    assert not ledger.admit(1)
    assert ledger.watermark == 0


@given(first=offsets, finished=st.sets(st.integers(0, 300)))
def test_the_next_owner_skips_exactly_what_had_finished(first: int, finished: set[int]) -> None:
    former = OffsetLedger(first)
    for place in range(301):
        former.admit(first + place)
    for place in finished:
        former.finish(first + place)

    progress = former.progress()
    successor = OffsetLedger.resume(progress)
    admitted = {offset for offset in range(progress.offset, first + 301) if successor.admit(offset)}

    assert admitted == {first + place for place in range(301)} - {first + place for place in finished}


@given(progress=st.builds(Progress, offset=offsets, metadata=st.text(max_size=40)))
def test_foreign_metadata_never_skips_an_offset_below_the_committed_one(progress: Progress) -> None:
    assert OffsetLedger.resume(progress).watermark == progress.offset


@given(first=offsets, length=st.integers(1, 2000))
def test_the_metadata_stays_below_the_brokers_limit(first: int, length: int) -> None:
    ledger = OffsetLedger(first)
    for offset in range(first, first + length):
        ledger.admit(offset)
    for offset in range(first + 1, first + length):
        ledger.finish(offset)
    assert len(ledger.progress().metadata) < 4096


def test_a_commit_after_a_skipped_offset_moves_past_it() -> None:
    former = OffsetLedger(0)
    for offset in range(3):
        former.admit(offset)
    former.finish(1)
    successor = OffsetLedger.resume(former.progress())
    assert [successor.admit(offset) for offset in range(3)] == [True, False, True]
    successor.finish(0)
    successor.finish(2)
    assert successor.progress() == Progress(3, "")
