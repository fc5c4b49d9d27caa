"""The waiting room: every record gets a ticket, and memory holds no more contents than there is room for."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from aiokafka import ConsumerRecord, TopicPartition

from services.router_worker.consumption.lane import in_tiers, of_job
from services.router_worker.consumption.offset_ledger import OffsetLedger
from services.router_worker.consumption.ports import Crowds
from services.router_worker.consumption.waiting_room import NO_CROWDS, Ticket, WaitingRoom

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PARTITION = TopicPartition("jobs", 0)


def a_record(offset: int, tenant: str = "a", size: int = 0, **fields: object) -> ConsumerRecord:
    job = {"tenant": tenant, "input_tokens": 1, "body": {}, "filling": "x" * size} | fields
    value = orjson.dumps(job)
    return ConsumerRecord(
        topic="jobs",
        partition=0,
        offset=offset,
        timestamp=int(NOON.timestamp() * 1000),
        timestamp_type=0,
        key=None,
        value=value,
        checksum=None,
        serialized_key_size=-1,
        serialized_value_size=len(value),
        headers=(),
    )


class Crowded:
    """The port `Crowds`: two jobs of a model are enough."""

    def held_back(self, on_way: Mapping[str, int]) -> Collection[str]:
        return [model for model, count in on_way.items() if count >= 2]

    def watch(self, stirred: Callable[[], None]) -> None:
        pass


def a_room(*records: ConsumerRecord, slots: int = 1000, crowds: Crowds = NO_CROWDS) -> WaitingRoom:
    room = WaitingRoom(slots, {}, of_job, lambda: NOON, crowds)
    for record in records:
        room.admit(PARTITION, record, OffsetLedger(0))
    return room


def taken(room: WaitingRoom) -> list[Ticket]:
    tickets = []
    while (ticket := room.take()) is not None:
        tickets.append(ticket)
    return tickets


def test_contents_beyond_a_tenants_share_of_memory_are_left_in_the_log() -> None:
    room = a_room(*(a_record(offset, size=1_000_000) for offset in range(8)))
    assert [ticket.record is not None for ticket in taken(room)] == [True] * 4 + [False] * 4


def test_one_tenants_contents_leave_room_for_anothers() -> None:
    room = a_room(*(a_record(offset, size=1_000_000) for offset in range(8)), a_record(8, "b", 1_000_000))
    assert [ticket.record is not None for ticket in taken(room) if ticket.tenant == "b"] == [True]


def test_all_contents_together_are_bounded_too() -> None:
    room = a_room(*(a_record(offset, f"tenant {offset // 4}", 1_000_000) for offset in range(80)))
    assert sum(ticket.record is not None for ticket in taken(room)) == 33


@pytest.mark.parametrize("leave", ["taken", "dismissed"])
def test_who_leaves_makes_room_for_others(leave: str) -> None:
    room = a_room(*(a_record(offset, size=1_000_000) for offset in range(4)))
    if leave == "taken":
        assert len(taken(room)) == 4
    else:
        room.dismiss(lambda ticket: True)
        assert taken(room) == []
    assert len(room) == 0
    room.admit(PARTITION, a_record(4, size=1_000_000), OffsetLedger(0))
    assert [ticket.record is not None for ticket in taken(room)] == [True]


async def test_a_ticket_or_a_slot_wakes_whoever_waits() -> None:
    room = a_room(slots=1)
    room.admit(PARTITION, a_record(0), OffsetLedger(0))
    await room.stirred()
    room.slots.take("a").give_back()
    await room.stirred()


def test_a_record_in_a_tier_leaves_it_when_its_time_there_is_over_or_its_jobs_time_has_come() -> None:
    weigh = in_tiers({"jobs": timedelta(minutes=1)})
    late = NOON + timedelta(hours=1)
    soon = NOON + timedelta(seconds=20)
    assert weigh(a_record(0, not_before=late.isoformat())).not_before == NOON + timedelta(minutes=1)
    assert weigh(a_record(0, not_before=soon.isoformat())).not_before == soon
    assert weigh(a_record(0, deadline=soon.isoformat())).deadline == soon


def test_no_more_jobs_of_a_model_are_taken_than_are_soon_let_in_and_others_go() -> None:
    room = a_room(*(a_record(offset, model="full") for offset in range(5)), a_record(5, model="free"), crowds=Crowded())
    tickets = taken(room)
    assert [ticket.offset for ticket in tickets] == [0, 1, 5]
    room.arrived(tickets[0])
    assert [ticket.offset for ticket in taken(room)] == [2]
