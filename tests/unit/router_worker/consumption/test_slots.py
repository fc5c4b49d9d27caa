"""Slots are counted by tenant, and lent to others by those who rest."""

import pytest

from services.router_worker.consumption.slots import Slots


def some(limit: int) -> tuple[Slots, list[str]]:
    freed: list[str] = []
    return Slots(limit, lambda: freed.append("freed")), freed


def test_a_slot_that_is_given_back_is_free_and_somebody_hears_of_it() -> None:
    slots, freed = some(1)
    slot = slots.take("a")
    assert (slots.free, slots.held("a"), freed) == (0, 1, [])
    slot.give_back()
    assert (slots.free, slots.held("a"), freed) == (1, 0, ["freed"])


def test_giving_back_twice_frees_one_slot_only() -> None:
    slots, freed = some(2)
    slot = slots.take("a")
    slots.take("a")
    slot.give_back()
    slot.give_back()
    assert (slots.free, slots.held("a"), len(freed)) == (1, 1, 1)


def test_a_job_that_takes_its_slot_back_may_exceed_the_limit() -> None:
    slots, _ = some(1)
    mine = slots.take("a")
    mine.give_back()
    slots.take("b")
    mine.take_back()
    mine.take_back()
    assert (slots.free, slots.taken, slots.held("a")) == (-1, 2, 1)


def test_whoever_rests_lends_its_slot() -> None:
    slots, _ = some(1)
    mine = slots.take("a")
    with slots.resting(mine):
        assert slots.free == 1
    assert slots.free == 0


def test_no_more_may_rest_than_there_are_slots() -> None:
    slots, _ = some(1)
    first, second = slots.take("a"), slots.take("b")
    with slots.resting(first), slots.resting(second):
        assert (slots.held("a"), slots.held("b")) == (0, 1)
    assert slots.taken == 2


def test_a_slot_is_given_back_whatever_happens() -> None:
    slots, _ = some(1)
    with pytest.raises(KeyError), slots.take("a"):
        {}["anything"]
    assert slots.free == 1
