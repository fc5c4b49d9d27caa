"""With an idempotency key a request is one job, whoever dies between its steps, and however often it is sent."""

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingress.admission import Caller, CompletionRequest, Departure, Reason, Refused, Repeat
from services.ingress.ports import Dependency, Reservation, UnavailableError, UnconfirmedError
from services.ingress.reception import Fresh, Known, Received
from shared.clock import utc_now
from shared.contracts import Interruption
from shared.ids import derived_job_id, new_job_id
from shared.telemetry import TraceContext
from tests.suites.ingress import CALLER, MemoryIngress, a_request, an_end, memory_ingress

RIVAL = replace(CALLER, tenant="rival", key_id="rival")


@pytest.fixture
def ingress() -> MemoryIngress:
    return memory_ingress()


def keyed(key: str = "k", asks: str = "this", **fields: object) -> CompletionRequest:
    return a_request(repeat=Repeat(key, asks), **fields)


async def received(ingress: MemoryIngress, request: CompletionRequest, caller: Caller = CALLER) -> Received | Refused:
    return await ingress.doors.reception.receive(request, caller, new_job_id())


async def sent(ingress: MemoryIngress, request: CompletionRequest, caller: Caller = CALLER) -> Received | Refused:
    found = await received(ingress, request, caller)
    if not isinstance(found, Refused):
        await ingress.doors.reception.queue(found, TraceContext.new())
    return found


async def test_without_a_key_every_request_is_a_job(ingress: MemoryIngress) -> None:
    await sent(ingress, a_request())
    await sent(ingress, a_request())
    assert len({job.id for job in ingress.queue.jobs}) == 2


async def test_the_same_request_again_is_the_job_that_stands(ingress: MemoryIngress) -> None:
    first, again = await sent(ingress, keyed()), await sent(ingress, keyed())
    assert isinstance(first, Fresh)
    assert isinstance(again, Known)
    assert again.job.id == first.job.id
    assert len(ingress.queue.jobs) == 1


async def test_it_is_so_after_the_jobs_end(ingress: MemoryIngress) -> None:
    first = await sent(ingress, keyed())
    assert isinstance(first, Fresh)
    await ingress.job_log.end(first.job, an_end(first.job), 2)
    ended = await sent(ingress, keyed())
    assert isinstance(ended, Known)
    assert ended.job.ended is not None


async def test_another_request_with_the_key_is_refused(ingress: MemoryIngress) -> None:
    await sent(ingress, keyed())
    refused = await sent(ingress, keyed(asks="something else"))
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.KEY_REUSED
    assert len(ingress.queue.jobs) == 1
    counted = {"door": "chat", "code": "idempotency_key_reused"}
    assert ingress.doors.instruments.registry.get_sample_value("sluice_jobs_refused_total", counted) == 1


async def test_tenants_have_keys_of_their_own_and_a_tenants_callers_share_them(ingress: MemoryIngress) -> None:
    mine, theirs = await sent(ingress, keyed()), await sent(ingress, keyed(asks="something else"), RIVAL)
    assert isinstance(mine, Fresh)
    assert isinstance(theirs, Fresh)
    colleague = await sent(ingress, keyed(), replace(CALLER, key_id="other"))
    assert isinstance(colleague, Known)


async def test_a_refused_request_holds_no_key(ingress: MemoryIngress) -> None:
    assert isinstance(await sent(ingress, keyed(model="gpt-9")), Refused)
    assert ingress.reservations.standing == {}
    assert isinstance(await sent(ingress, keyed(asks="something else")), Fresh)


async def test_a_job_that_was_reserved_and_never_queued_is_queued_under_its_id(ingress: MemoryIngress) -> None:
    died = await received(ingress, keyed())
    again = await sent(ingress, keyed())
    assert isinstance(died, Fresh)
    assert isinstance(again, Fresh)
    assert again.job.id == died.job.id
    assert [job.id for job in ingress.queue.jobs] == [died.job.id]


async def test_a_job_that_is_just_being_queued_is_waited_for() -> None:
    ingress = memory_ingress(queueing_seconds=30)
    # A record of a submit topic may be years old, and so is its job's id.
    first = await ingress.doors.reception.receive(keyed(), CALLER, derived_job_id(0, "record"))
    assert isinstance(first, Fresh)
    again = asyncio.create_task(sent(ingress, keyed()))
    await asyncio.sleep(0)
    await ingress.doors.reception.queue(first, TraceContext.new())
    assert isinstance(await again, Known)
    assert len(ingress.queue.jobs) == 1


async def test_who_loses_the_race_for_a_key_has_the_winners_job(ingress: MemoryIngress) -> None:
    async def recall(tenant: str, key: str) -> Reservation | None:
        return None  # the winner reserves right after this look

    winner = Reservation(new_job_id(), "this", utc_now(), Departure.CANCEL)
    ingress.reservations.standing[("acme", "k")] = winner
    ingress.reservations.recall = recall  # type: ignore[method-assign]
    loser = await received(ingress, keyed())
    assert isinstance(loser, Fresh)
    assert loser.job.id == winner.job


async def test_a_job_that_may_have_arrived_is_not_withdrawn_when_it_can_be_sent_again(ingress: MemoryIngress) -> None:
    ingress.queue.failure = UnconfirmedError("no answer")
    with pytest.raises(UnconfirmedError):
        await sent(ingress, keyed())
    assert ingress.job_log.cancelled == 0
    with pytest.raises(UnconfirmedError):
        await sent(ingress, a_request())
    assert ingress.job_log.cancelled == 1


async def test_without_redis_a_key_is_not_believed_to_be_new(ingress: MemoryIngress) -> None:
    ingress.reservations.away = True
    with pytest.raises(UnavailableError):
        await sent(ingress, keyed())
    assert isinstance(await sent(ingress, a_request()), Fresh)


async def test_while_nobody_can_tell_whether_a_job_stands_it_is_not_queued_again(ingress: MemoryIngress) -> None:
    await sent(ingress, keyed())
    ingress.job_log.away = ingress.archive.away = True
    with pytest.raises(UnavailableError) as error:
        await sent(ingress, keyed())
    assert error.value.dependency in Dependency
    assert len(ingress.queue.jobs) == 1


async def test_a_known_job_breaks_off_as_the_request_wishes(ingress: MemoryIngress) -> None:
    await sent(ingress, keyed())
    again = await sent(ingress, keyed(on_interrupt=Interruption.FAIL, streamed=True))
    assert isinstance(again, Known)
    assert (again.on_interrupt, again.streamed) == (Interruption.FAIL, True)


@pytest.mark.parametrize("lasting", [0, 1])
async def test_what_one_sender_wants_to_outlive_it_goes_on_for_all(ingress: MemoryIngress, lasting: int) -> None:
    wishes = [Departure.CANCEL, Departure.CANCEL]
    wishes[lasting] = Departure.CONTINUE
    first, again = [await sent(ingress, keyed(on_disconnect=wish)) for wish in wishes]
    assert isinstance(first, Fresh)
    assert isinstance(again, Known)
    assert (first.on_disconnect, again.on_disconnect) == (wishes[0], Departure.CONTINUE)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["k1", "k2"]),
        st.sampled_from(["this", "that"]),
        st.sampled_from(["whole", "dies before the queue", "dies before the log", "queue unsure"]),
    ),
    max_size=12,
)


@given(STEPS)
def test_a_key_never_stands_for_two_jobs_nor_for_two_requests(steps: list[tuple[str, str, str]]) -> None:
    async def run() -> None:
        ingress = memory_ingress()
        first_asked: dict[str, str] = {}
        for key, asks, fate in steps:
            if first_asked.setdefault(key, asks) != asks:
                refused = await sent(ingress, keyed(key, asks))
                assert isinstance(refused, Refused)
                continue
            found = await received(ingress, keyed(key, asks))
            assert not isinstance(found, Refused)
            match found, fate:
                case Fresh(), "dies before the log":
                    await ingress.queue.put(found.job, TraceContext.new())
                case Fresh(), "queue unsure":
                    ingress.queue.failure = UnconfirmedError("no answer")
                    with suppress(UnconfirmedError):
                        await ingress.doors.reception.queue(found, TraceContext.new())
                    ingress.queue.failure = None
                case _, "whole":
                    await ingress.doors.reception.queue(found, TraceContext.new())
        queued = {job.id for job in ingress.queue.jobs}
        assert queued <= {standing.job for standing in ingress.reservations.standing.values()}
        assert len(queued) <= len(first_asked)
        assert ingress.job_log.cancelled == 0

    asyncio.run(run())
