from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.router_worker.consumption.intake import fair_share, rotated

waiting = st.lists(st.integers(0, 200), min_size=1, max_size=16)


def one_round(available: list[int], room: int) -> list[int]:
    got = []
    for place, records in enumerate(available):
        got.append(min(records, fair_share(room, len(available) - place)))
        room -= got[-1]
    return got


@given(waiting, st.integers(1, 500))
def test_full_partitions_get_equal_shares_and_use_all_the_room(available: list[int], room: int) -> None:
    got = one_round([1000] * len(available), room)
    assert sum(got) == room
    assert max(got) - min(got) <= 1


@given(waiting, st.integers(0, 500))
def test_a_round_never_takes_more_than_there_is_room(available: list[int], room: int) -> None:
    assert sum(one_round(available, room)) <= room


@given(st.integers(1, 16))
def test_every_partition_is_asked_first_in_turn(count: int) -> None:
    names = list(range(count))
    assert Counter(rotated(names, turn)[0] for turn in range(count)) == Counter(names)


def test_no_partitions_are_no_trouble() -> None:
    assert rotated([], 3) == []
