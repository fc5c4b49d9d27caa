"""What is remembered of keys, and for how long."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.ingress.admission import Caller
from services.ingress.directory import Change
from services.ingress.keyring import Answer, Keyring, Turned
from tests.suites.ingress import CALLER, NOON

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def a_ring(**options: int) -> Keyring:
    ring = Keyring(offline=HOUR, **options)
    ring.told_anew(NOON)
    return ring


def test_nothing_is_recalled_before_anybody_could_tell_what_changes() -> None:
    ring = Keyring(offline=HOUR)
    ring.remember("a", Answer(CALLER), ring.changes)
    assert ring.recall("a", NOON) is None


def test_right_and_wrong_keys_are_recalled() -> None:
    ring = a_ring()
    ring.remember("right", Answer(CALLER), ring.changes)
    ring.remember("wrong", Answer(Turned.UNKNOWN), ring.changes)
    assert ring.recall("right", NOON) == Answer(CALLER)
    assert ring.recall("wrong", NOON) == Answer(Turned.UNKNOWN)
    assert ring.recall("other", NOON) is None


def test_answers_hold_while_nobody_can_tell_and_no_longer_than_stated() -> None:
    ring = a_ring()
    ring.remember("a", Answer(CALLER), ring.changes)
    assert ring.recall("a", NOON + HOUR) == Answer(CALLER)
    assert ring.recall("a", NOON + HOUR + SECOND) is None
    ring.told((), NOON + HOUR + SECOND)
    assert ring.recall("a", NOON + HOUR + SECOND) == Answer(CALLER)


def test_an_answer_that_ends_is_asked_for_again() -> None:
    ring = a_ring()
    ring.remember("a", Answer(CALLER, until=NOON + SECOND), ring.changes)
    assert ring.recall("a", NOON) is not None
    assert ring.recall("a", NOON + SECOND) is None


def test_a_change_of_a_key_forgets_it_and_every_wrong_one() -> None:
    ring = a_ring()
    other = replace(CALLER, key_id="other")
    for digest, found in (("a", CALLER), ("b", other), ("c", Turned.UNKNOWN)):
        ring.remember(digest, Answer(found), ring.changes)
    ring.told((Change(CALLER.tenant, CALLER.key_id),), NOON)
    assert [ring.recall(digest, NOON) for digest in "abc"] == [None, Answer(other), None]


def test_a_change_of_a_tenant_forgets_all_its_keys() -> None:
    ring = a_ring()
    stranger = replace(CALLER, tenant="rival", key_id="other")
    ring.remember("a", Answer(CALLER), ring.changes)
    ring.remember("b", Answer(stranger), ring.changes)
    ring.told((Change(CALLER.tenant),), NOON)
    assert [ring.recall(digest, NOON) for digest in "ab"] == [None, Answer(stranger)]


def test_an_answer_from_before_a_change_is_not_remembered() -> None:
    ring = a_ring()
    asked_at = ring.changes
    ring.told((Change(CALLER.tenant, CALLER.key_id),), NOON)
    ring.remember("a", Answer(CALLER), asked_at)
    assert ring.recall("a", NOON) is None


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=120), st.integers(1, 8))
def test_no_more_than_so_many_of_each_kind_are_remembered(asked: list[tuple[int, bool]], most: int) -> None:
    ring = a_ring(most=most)
    for number, right in asked:
        ring.remember(f"{right}{number}", Answer(CALLER if right else Turned.UNKNOWN), ring.changes)
        assert len(ring) <= 2 * most
        assert ring.recall(f"{right}{number}", NOON) is not None


@given(st.data())
def test_nothing_older_than_the_last_telling_is_recalled(data: st.DataObject) -> None:
    """Lookups take a while, and changes come in between."""
    ring = a_ring(most=3)
    version, told = dict.fromkeys("abcd", 0), dict.fromkeys("abcd", 0)
    under_way: list[tuple[str, int, int]] = []
    for _ in range(data.draw(st.integers(0, 40))):
        key = data.draw(st.sampled_from("abcd"))
        match data.draw(st.sampled_from(["ask", "answer", "change", "tell"])):
            case "ask":
                under_way.append((key, version[key], ring.changes))
            case "answer" if under_way:
                answered, found, asked_at = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
                ring.remember(answered, Answer(replace(CALLER, key_id=answered, team=str(found))), asked_at)
            case "change":
                version[key] += 1
            case "tell":
                ring.told([Change("acme", each) for each in "abcd" if version[each] != told[each]], NOON)
                told = dict(version)
        for each in "abcd":
            recalled = ring.recall(each, NOON)
            if recalled is not None:
                assert isinstance(recalled.found, Caller)
                assert int(recalled.found.team or "") >= told[each]
