"""Whatever is done to a chain of entries is found."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from shared.audit import FIRST, ChainCheck, Event, Fault, chained
from shared.contracts import AuditAction, AuditEntry

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DETAILS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
EVENTS = st.builds(
    Event,
    st.just("acme"),
    st.datetimes(NOON.replace(tzinfo=None), timezones=st.just(UTC)),
    st.text(max_size=8),
    st.sampled_from(AuditAction),
    st.text(max_size=8),
    st.dictionaries(st.text(max_size=5), DETAILS, max_size=3),
)
CHAINS = st.lists(EVENTS, min_size=1, max_size=8)


def chain_of(events: list[Event]) -> list[AuditEntry]:
    chain: list[AuditEntry] = []
    for seq, event in enumerate(events, 1):
        chain.append(chained(event, seq, chain[-1].hash if chain else FIRST))
    return chain


def checked(entries: list[AuditEntry], elsewhere: dict[int, str] | None = None) -> list[Fault]:
    check = ChainCheck("acme", elsewhere or {})
    return [fault for entry in entries for fault in check.see(entry)] + list(check.end())


def ends(chain: list[AuditEntry]) -> dict[int, str]:
    return {chain[-1].seq: chain[-1].hash}


@given(CHAINS)
def test_a_chain_as_it_was_written_is_right(events: list[Event]) -> None:
    chain = chain_of(events)
    assert checked(chain, {entry.seq: entry.hash for entry in chain}) == []
    assert checked([AuditEntry.model_validate_json(entry.to_bytes()) for entry in chain]) == []


@given(CHAINS, st.data())
def test_an_entry_that_was_changed_is_found(events: list[Event], data: st.DataObject) -> None:
    chain = chain_of(events)
    at = data.draw(st.integers(0, len(chain) - 1))
    field, value = data.draw(
        st.sampled_from(
            [
                ("actor", "somebody else"),
                ("subject", "something else"),
                ("details", {"a": "lie"}),
                ("at", NOON + timedelta(microseconds=1)),
                ("tenant", "other"),
                ("previous", "f" * 64),
            ]
        )
    )
    if getattr(chain[at], field) == value:
        return
    chain[at] = chain[at].model_copy(update={field: value})
    assert Fault("acme", chain[at].seq, "it was changed") in checked(chain)


@given(CHAINS, st.data())
def test_an_entry_that_was_removed_is_found(events: list[Event], data: st.DataObject) -> None:
    chain = chain_of(events)
    known = ends(chain)
    gone = chain.pop(data.draw(st.integers(0, len(chain) - 1)))
    assert [fault for fault in checked(chain, known) if fault.seq == gone.seq and "missing" in fault.what]


@given(st.lists(EVENTS, min_size=2, max_size=8), st.data())
def test_entries_that_changed_places_are_found(events: list[Event], data: st.DataObject) -> None:
    chain = chain_of(events)
    first, second = sorted(data.draw(st.sets(st.integers(0, len(chain) - 1), min_size=2, max_size=2)))
    a, b = chain[first], chain[second]
    chain[first], chain[second] = b.model_copy(update={"seq": a.seq}), a.model_copy(update={"seq": b.seq})
    assert checked(chain)


@given(CHAINS, st.data())
def test_a_chain_that_was_written_anew_has_another_end_than_was_published(
    events: list[Event], data: st.DataObject
) -> None:
    published = ends(chain_of(events))
    at = data.draw(st.integers(0, len(events) - 1))
    events[at] = replace(events[at], subject=events[at].subject + "!")
    faults = checked(chain_of(events), published)
    assert faults == [Fault("acme", len(events), "it was published with another hash")]


def test_the_same_moment_in_another_time_zone_is_the_same_entry() -> None:
    event = Event("acme", NOON, "me", AuditAction.KEY_CREATED, "key:a")
    elsewhere = replace(event, at=NOON.astimezone(timezone(timedelta(hours=5))))
    assert chained(event, 1, FIRST).hash == chained(elsewhere, 1, FIRST).hash
