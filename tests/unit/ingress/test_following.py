"""A reader of a log loses nothing, sees nothing twice and nothing out of order, whatever the channel does."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingress.adapters.continuity import Step, step
from services.ingress.adapters.follower import Cause, Follower
from services.ingress.adapters.followers import Followers
from services.ingress.ports import Dependency, UnavailableError
from shared.ids import JobId, new_job_id
from shared.job_log import START, Cursor, Entry, EventType, encode_entry


def entry(epoch: int, seq: int, event: EventType = EventType.DELTA) -> Entry:
    return Entry(Cursor(epoch, seq), event, b'{"n":%d}' % seq)


def wire(job: JobId, *entries: Entry) -> bytes:
    return b"\n".join(
        part
        for each in entries
        for part in (job.encode(), str(each.cursor).encode(), encode_entry(each.type, each.data))
    )


class Log:
    """What Redis would hold; `away` while it does not answer."""

    def __init__(self, *entries: Entry) -> None:
        self.entries = list(entries)
        self.reads = 0
        self.away = False

    async def read(self, cursor: Cursor) -> Sequence[Entry]:
        self.reads += 1
        if self.away:
            raise UnavailableError(Dependency.REDIS, "away")
        return [each for each in self.entries if each.cursor > cursor]


class Reader:
    def __init__(self, log: Log, after: Cursor = START, bound: int = 1024) -> None:
        self.log = log
        self.causes: list[Cause] = []
        self.job = new_job_id()
        self.followers = Followers(self.causes.append, queue_bound=bound)
        self.follower: Follower = self.followers.join(self.job, after, log.read)
        self.seen: list[Entry] = []

    async def drain(self) -> None:
        while entries := await self.follower.next(0):
            self.seen += entries

    def publish(self, *entries: Entry) -> None:
        self.log.entries += entries
        self.followers.deliver(wire(self.job, *entries))


@pytest.mark.parametrize(
    ("cursor", "arrived", "expected"),
    [
        ((0, 0), (0, 1), Step.NEXT),
        ((0, 0), (1, 1), Step.GAP),
        ((0, 1), (1, 1), Step.NEXT),
        ((0, 1), (1, 2), Step.GAP),
        ((0, 1), (2, 1), Step.GAP),
        ((1, 4), (1, 5), Step.NEXT),
        ((1, 4), (1, 6), Step.GAP),
        ((1, 4), (1, 4), Step.STALE),
        ((1, 4), (0, 1), Step.STALE),
        ((1, 4), (2, 1), Step.GAP),
        ((2, 1), (1, 9), Step.STALE),
    ],
)
def test_an_entry_continues_the_log_or_is_known_or_leaves_a_gap(
    cursor: tuple[int, int], arrived: tuple[int, int], expected: Step
) -> None:
    assert step(Cursor(*cursor), Cursor(*arrived)) is expected


async def test_what_the_log_held_comes_first_and_the_channel_goes_on_behind_it() -> None:
    reader = Reader(Log(entry(0, 1), entry(1, 1)))
    await reader.follower.begin()
    reader.publish(entry(1, 2))
    await reader.drain()
    assert [each.cursor for each in reader.seen] == [(0, 1), (1, 1), (1, 2)]
    assert reader.log.reads == 1


async def test_what_arrives_while_the_log_is_read_is_not_given_twice() -> None:
    log = Log(entry(1, 1))
    reader = Reader(log)

    async def slow(cursor: Cursor) -> Sequence[Entry]:
        reader.publish(entry(1, 2))
        found = await log.read(cursor)
        reader.publish(entry(1, 3))
        return found

    reader.follower = reader.followers.join(reader.job, START, slow)
    await reader.follower.begin()
    await reader.drain()
    assert [each.cursor.seq for each in reader.seen] == [1, 2, 3]


async def test_a_reader_that_waits_is_woken_by_an_entry() -> None:
    reader = Reader(Log())
    await reader.follower.begin()
    waiting = asyncio.create_task(reader.follower.next(30))
    await asyncio.sleep(0)
    reader.publish(entry(1, 1))
    assert [each.cursor for each in await asyncio.wait_for(waiting, 10)] == [(1, 1)]


async def test_a_gap_is_filled_from_the_log() -> None:
    reader = Reader(Log())
    reader.log.entries += [entry(1, 1), entry(1, 2)]
    reader.publish(entry(1, 3))
    await reader.drain()
    assert [each.cursor.seq for each in reader.seen] == [1, 2, 3]
    assert reader.causes == [Cause.GAP]


async def test_a_reader_that_is_too_slow_reads_the_log_instead_of_filling_the_memory() -> None:
    reader = Reader(Log(), bound=10)
    reader.publish(*(entry(1, seq) for seq in range(1, 101)))
    await reader.drain()
    assert [each.cursor.seq for each in reader.seen] == list(range(1, 101))
    assert reader.causes == [Cause.OVERFLOW]


async def test_a_refilled_log_and_a_reconnect_make_its_readers_look_again() -> None:
    reader = Reader(Log(entry(1, 1)))
    reader.followers.reread(reader.job.encode(), Cause.REFILL)
    await reader.drain()
    reader.log.entries.append(entry(1, 2))
    reader.followers.reread_all(Cause.RECONNECT)
    await reader.drain()
    assert [each.cursor.seq for each in reader.seen] == [1, 2]


async def test_while_redis_is_away_a_reader_gets_nothing_and_afterwards_everything() -> None:
    reader = Reader(Log())
    reader.log.away = True
    reader.publish(entry(1, 1))
    reader.followers.reread_all(Cause.RECONNECT)
    assert await reader.follower.next(0) == ()
    reader.log.away = False
    await reader.drain()
    assert [each.cursor.seq for each in reader.seen] == [1]


async def test_beginning_while_redis_is_away_is_told_to_the_caller() -> None:
    reader = Reader(Log())
    reader.log.away = True
    with pytest.raises(UnavailableError):
        await reader.follower.begin()


async def test_a_message_that_is_not_sluices_hurts_nobody() -> None:
    reader = Reader(Log())
    reader.followers.deliver(b"\n".join((reader.job.encode(), b"x-y", b"what {}")))
    reader.followers.deliver(b"")
    reader.publish(entry(1, 1))
    await reader.drain()
    assert len(reader.seen) == 1


async def test_a_reader_that_left_is_forgotten() -> None:
    reader = Reader(Log())
    reader.followers.leave(reader.job, reader.follower)
    assert len(reader.followers) == 0
    reader.publish(entry(1, 1))


ACTIONS = st.lists(
    st.sampled_from(["say", "say", "say", "lost", "twice", "late", "takeover", "reconnect", "refill", "read"]),
    max_size=60,
)


@given(ACTIONS, st.integers(1, 6))
async def test_every_transcript_is_the_log_whatever_the_channel_does(actions: list[str], bound: int) -> None:
    log = Log(entry(0, 1))
    reader = Reader(log, bound=bound)
    top, late = Cursor(0, 1), None
    for action in actions:
        if action == "takeover":
            top = Cursor(top.epoch + 1, 1)
        elif action in ("say", "lost", "twice", "late"):
            top = Cursor(max(top.epoch, 1), top.seq + 1 if top.epoch else 1)
        if action in ("takeover", "say", "lost", "twice", "late"):
            said = Entry(top, EventType.DELTA, b"{}")
            log.entries.append(said)
            if late is not None:
                reader.followers.deliver(wire(reader.job, late))
            late = said if action == "late" else None
            if action not in ("lost", "late"):
                reader.followers.deliver(wire(reader.job, *[said] * (2 if action == "twice" else 1)))
        elif action == "reconnect":
            reader.followers.reread_all(Cause.RECONNECT)
        elif action == "refill":
            reader.followers.reread(reader.job.encode(), Cause.REFILL)
        else:
            await reader.drain()
    reader.followers.reread_all(Cause.SILENCE)
    await reader.drain()
    assert reader.seen == log.entries
