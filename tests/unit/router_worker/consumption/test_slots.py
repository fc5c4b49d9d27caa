import asyncio

from services.router_worker.consumption.slots import Slots


async def test_room_waits_until_a_slot_is_given_back() -> None:
    slots = Slots(1)
    slot = slots.take()
    waiting = asyncio.create_task(slots.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    slot.give_back()
    await asyncio.wait_for(waiting, 1)
    assert slots.free == 1


def test_giving_back_twice_frees_one_slot_only() -> None:
    slots = Slots(2)
    slot = slots.take()
    slots.take()
    slot.give_back()
    slot.give_back()
    assert slots.free == 1


def test_a_job_that_steps_back_may_exceed_the_limit() -> None:
    slots = Slots(1)
    slots.take()
    slots.take()
    assert slots.free == 0
    assert slots.taken == 2
