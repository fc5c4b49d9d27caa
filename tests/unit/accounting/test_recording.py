"""A batch is kept as a whole, tried again while a server is away, and never held up by one record."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.accounting.ports import Added, AwayError, Consumed, Place, UnreadableError, UnstorableError
from services.accounting.record import Recording
from shared.backoff import Backoff
from shared.contracts import DeadLetter, DeadLetterReason
from tests.suites.accounting import FakeRecord

AT_ONCE = Backoff(base_seconds=0.0001, cap_seconds=0.0002)


class Shelf:
    """Keeps what can be kept; `unstorable` are the messages it refuses, `away` how many calls it fails first."""

    def __init__(self, unstorable: frozenset[str] = frozenset(), away: int = 0) -> None:
        self.kept: list[str] = []
        self.consumed: dict[Place, int] = {}
        self.calls = 0
        self._unstorable = unstorable
        self._away = away

    async def keep(self, messages: Sequence[str], consumed: Consumed) -> Added:
        self.calls += 1
        if self.calls <= self._away:
            raise AwayError("the database is away")
        if self._unstorable.intersection(messages):
            raise UnstorableError("out of range")
        self.kept += messages
        self.consumed |= consumed
        return Added(len(messages))


class Graves:
    def __init__(self, away: int = 0) -> None:
        self.letters: list[DeadLetter] = []
        self._away = away

    async def put(self, letters: Sequence[DeadLetter]) -> None:
        self._away -= 1
        if self._away >= 0:
            raise AwayError("the broker is away")
        self.letters += letters


class SilentMeter:
    def __init__(self) -> None:
        self.messages = 0

    def kept(self, messages: int, added: Added, seconds: float) -> None:
        self.messages += messages

    def buried(self, letters: Sequence[DeadLetter]) -> None: ...

    def caught_up_to(self, unix_ms_of_record: int) -> None: ...


def read(value: bytes) -> str:
    if value.startswith(b"bad"):
        raise UnreadableError(DeadLetterReason.SCHEMA, "is bad")
    return value.decode()


def recording(shelf: Shelf, graves: Graves, most_letters: int = 100) -> Recording[str]:
    return Recording(
        read=read,
        keep=shelf.keep,
        dead_letters=graves,
        meter=SilentMeter(),
        clock=lambda: datetime(2026, 11, 20, tzinfo=UTC),
        patience=AT_ONCE,
        most_letters=most_letters,
    )


def records(*values: str) -> list[FakeRecord]:
    return [FakeRecord(value.encode(), offset=10 + place) for place, value in enumerate(values)]


async def test_a_batch_is_kept_in_one_call_and_its_reach_is_told() -> None:
    shelf = Shelf()
    batch = [FakeRecord(b"a", 4, 0), FakeRecord(b"b", 5, 0), FakeRecord(b"c", 9, 1)]
    consumed = await recording(shelf, Graves()).take(batch)
    assert (shelf.kept, shelf.calls) == (["a", "b", "c"], 1)
    assert consumed == shelf.consumed == {Place("usage", 0): 6, Place("usage", 1): 10}


async def test_what_was_read_in_portions_is_kept_in_one_call() -> None:
    shelf, graves = Shelf(), Graves()
    one = recording(shelf, graves)
    portions = [
        await one.read([FakeRecord(b"a", 4, 0), FakeRecord(b"bad", 5, 0), FakeRecord(b"b", 9, 1)]),
        await one.read([FakeRecord(b"c", 6, 0)]),
    ]
    consumed = await one.record(portions)
    assert (shelf.kept, shelf.calls, len(graves.letters)) == (["a", "b", "c"], 1, 1)
    assert consumed == shelf.consumed == {Place("usage", 0): 7, Place("usage", 1): 10}


async def test_an_unreadable_record_is_buried_whole_and_the_others_are_kept() -> None:
    shelf, graves = Shelf(), Graves()
    bad = FakeRecord(b"bad\xff", 11, 3, key=b"acme", headers=[("traceparent", b"00-\xff")])
    await recording(shelf, graves).take([FakeRecord(b"a", 10), bad, FakeRecord(b"b", 12)])
    assert shelf.kept == ["a", "b"]
    [letter] = graves.letters
    assert (letter.topic, letter.partition, letter.offset) == ("usage", 3, 11)
    assert (letter.key, letter.value, letter.reason) == (b"acme", b"bad\xff", DeadLetterReason.SCHEMA)
    assert letter.message == "is bad"


async def test_a_batch_of_nothing_but_unreadable_records_still_moves_the_offsets() -> None:
    shelf = Shelf()
    await recording(shelf, Graves()).take(records("bad1", "bad2"))
    assert shelf.consumed == {Place("usage", 0): 12}


async def test_a_record_without_a_value_is_read_as_empty() -> None:
    shelf = Shelf()
    await recording(shelf, Graves()).take([FakeRecord(None)])
    assert shelf.kept == [""]


async def test_while_the_database_is_away_the_same_batch_is_tried_again() -> None:
    shelf = Shelf(away=5)
    one = recording(shelf, Graves())
    await one.take(records("a", "b"))
    assert shelf.kept == ["a", "b"]
    assert one.missing is None


async def test_while_it_waits_it_says_for_what() -> None:
    shelf = Shelf(away=10**9)
    one = recording(shelf, Graves())
    waiting = asyncio.create_task(one.take(records("a")))
    async with asyncio.timeout(30):
        while one.missing is None:
            await asyncio.sleep(0)
    assert one.missing == "the database is away"
    assert not waiting.done()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_nothing_is_kept_before_the_dead_letters_are_safe() -> None:
    shelf, graves = Shelf(), Graves(away=3)
    await recording(shelf, graves).take(records("a", "bad"))
    assert len(graves.letters) == 1
    assert shelf.kept == ["a"]


async def test_a_fault_nobody_foresaw_is_not_swallowed() -> None:
    async def broken(messages: Sequence[str], consumed: Consumed) -> Added:
        raise ZeroDivisionError

    one = Recording(read=read, keep=broken, dead_letters=Graves(), meter=SilentMeter(), clock=lambda: datetime.now(UTC))
    with pytest.raises(ZeroDivisionError):
        await one.take(records("a"))


@given(st.integers(1, 40), st.sets(st.integers(0, 39)))
async def test_rows_that_can_never_be_stored_are_buried_and_every_other_is_kept_once(
    size: int, poisoned: set[int]
) -> None:
    values = [f"v{place}" for place in range(size)]
    poison = frozenset(values[place] for place in poisoned if place < size)
    shelf, graves = Shelf(unstorable=poison), Graves()
    await recording(shelf, graves).take(records(*values))
    assert shelf.kept == [value for value in values if value not in poison]
    assert {letter.value.decode() for letter in graves.letters} == poison
    assert len(graves.letters) == len(poison)
    assert shelf.consumed == {Place("usage", 0): 10 + size}


async def test_too_many_bad_records_are_not_set_aside_but_wait_and_say_so() -> None:
    shelf, graves = Shelf(), Graves()
    doubtful = recording(shelf, graves, most_letters=3)
    await doubtful.take([FakeRecord(b"bad"), FakeRecord(b"good"), FakeRecord(b"bad")])
    waiting = asyncio.create_task(doubtful.take([FakeRecord(b"bad"), FakeRecord(b"good, too"), FakeRecord(b"bad")]))
    async with asyncio.timeout(30):
        while doubtful.missing is None:
            await asyncio.sleep(0.001)
    assert "SLUICE_DEAD_LETTERS_MOST" in doubtful.missing
    assert (len(graves.letters), shelf.kept) == (2, ["good"])
    waiting.cancel()
    await asyncio.wait([waiting])
