from hypothesis import given
from hypothesis import strategies as st

from shared.groups import Suspicion

looks = st.lists(st.tuples(st.booleans(), st.floats(0.1, 10)), max_size=40)


def test_what_passes_in_time_is_no_reason() -> None:
    suspicion = Suspicion(10)
    assert not suspicion.look("odd", 100)
    assert not suspicion.look(None, 109)
    assert not suspicion.look("odd", 111)
    assert not suspicion.look("odd", 120)


def test_what_stays_wrong_is_a_reason_even_when_it_changes() -> None:
    suspicion = Suspicion(10)
    assert not suspicion.look("odd", 100)
    assert suspicion.look("odder", 110)
    assert suspicion.sign == "odder"


@given(looks)
def test_there_is_a_reason_exactly_when_every_look_of_the_last_while_was_wrong(looks: list[tuple[bool, float]]) -> None:
    suspicion, now, wrong_since = Suspicion(10), 0.0, None
    for is_wrong, seconds in looks:
        now += seconds
        wrong_since = (now if wrong_since is None else wrong_since) if is_wrong else None
        expected = wrong_since is not None and now - wrong_since >= 10
        assert suspicion.look("wrong" if is_wrong else None, now) == expected
