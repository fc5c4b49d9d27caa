"""The two ways a chat completion is answered: token by token, or when it is whole.

Both follow the job's log before the job is queued, so that nothing is missed and a Redis that is away refuses the call
before anything is accepted. Both stop when the client leaves, and then cancel the job, unless it shall go on or
somebody else follows it. A call that is sent again joins the job it became the first time, or gets its answer.
"""

import asyncio
from abc import abstractmethod
from dataclasses import dataclass
from typing import Final

import orjson
import structlog
from starlette.responses import Response

from services.ingress.admission import Allowance, Departure
from services.ingress.api.departure import unless_stopped, until_departure
from services.ingress.api.doors import Doors
from services.ingress.api.job_view import received_object
from services.ingress.api.preferences import Preference
from services.ingress.api.problems import Problem, answer_not_kept, of_ended, out_of_time
from services.ingress.api.ratelimits import ratelimit_headers
from services.ingress.api.reply import JOB_ID, Exchange, Reply
from services.ingress.api.sse import EventStream, StalledReaderError, data_frame
from services.ingress.api.transcript import Transcript
from services.ingress.ports import JobRecord, UnavailableError
from services.ingress.reception import Fresh, Known, Received
from services.ingress.tail import Tail, stored_end
from shared.contracts import JobEnded, JobStatus
from shared.job_log import START
from shared.telemetry import TraceContext, bound
from shared.telemetry.metrics import OPEN_STREAMS, STREAM_EVENTS

__all__ = ["Call", "ChatAnswer", "ChatStream", "accepted_response"]

log = structlog.get_logger()

_CANCEL_TRIES: Final = 5
_CANCEL_PAUSE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Call:
    """A chat call that was received, and not queued yet if it is new."""

    received: Received
    trace: TraceContext


class ChatReply(Reply):
    def __init__(self, doors: Doors, call: Call) -> None:
        super().__init__()
        self._doors = doors
        self._call = call
        self._job = call.received.job
        self._extra = job_headers(call.received)

    async def answer(self, exchange: Exchange) -> None:
        with bound(job_id=self._job.id):
            async with self._doors.tails.follow(self._job.tenant, self._job.id, START) as tail:
                await self._doors.reception.queue(self._call.received, self._call.trace)
                stayed = await self._respond_while_present(tail, exchange)
            if not stayed and self._call.received.on_disconnect is Departure.CANCEL:
                await self._abandon()

    async def _respond_while_present(self, tail: Tail, exchange: Exchange) -> bool:
        try:
            return await unless_stopped(self._respond(tail, exchange), until_departure(exchange.receive))
        except StalledReaderError:
            log.info("reader_stalled")
            return False

    @abstractmethod
    async def _respond(self, tail: Tail, exchange: Exchange) -> None: ...

    def _remaining(self) -> float:
        """How long the job's end may still be waited for."""
        grace = self._doors.patience.grace
        deadline = self._job.deadline
        return grace if deadline is None else (deadline - self._doors.clock()).total_seconds() + grace

    def _stored(self) -> JobEnded | None:
        """The end of a job that has ended and that no log tells of any more."""
        match self._call.received:
            case Known(JobRecord(ended=ended, end=None)):
                return ended
            case _:
                return None

    async def _abandon(self) -> None:
        """If nobody reads the answer any more, nobody shall pay for it."""
        for tries in range(1, _CANCEL_TRIES + 1):
            try:
                found = await self._doors.job_log.abandon(self._job.id)
            except UnavailableError as error:
                log.warning("cancel_failed", tries=tries, reason=str(error))
                await asyncio.sleep(_CANCEL_PAUSE_SECONDS)
            else:
                log.info("client_left", found=found)
                return


class ChatStream(ChatReply):
    """The head is held back until there is a delta or a keep-alive is due: an early error keeps its status."""

    async def _respond(self, tail: Tail, exchange: Exchange) -> None:
        streams = self._doors.instruments.gauge(OPEN_STREAMS)
        write_seconds = self._doors.patience.write
        with streams.track_inprogress(), EventStream(exchange, self._extra, write_seconds=write_seconds) as stream:
            problem = await self._speak(tail, stream)
            if problem is None:
                await stream.close()
            elif stream.opened:
                await stream.write(data_frame(problem.body()))
                await stream.close()
            else:
                await exchange.respond(problem.response(self._extra))

    async def _speak(self, tail: Tail, stream: EventStream) -> Problem | None:
        """Until the end; gives what the client must be told instead of `[DONE]`."""
        transcript = Transcript(self._job, self._call.received.on_interrupt)
        if (stored := self._stored()) is not None:
            said = transcript.say([stored_end(stored)])
            if said.frames:
                await stream.write(said.frames)
            return said.problem
        events = self._doors.instruments.counter(STREAM_EVENTS).labels("chat")
        loop = asyncio.get_running_loop()
        ping_at = loop.time() + self._doors.patience.keepalive
        while True:
            entries = await tail.next(max(ping_at - loop.time(), 0))
            said = transcript.say(entries)
            if said.frames:
                await stream.write(said.frames)
                events.inc(len(entries))
                ping_at = loop.time() + self._doors.patience.keepalive
            elif loop.time() >= ping_at:
                if self._remaining() <= 0:
                    return out_of_time()
                await stream.ping()
                ping_at = loop.time() + self._doors.patience.keepalive
            if said.finished:
                return said.problem


class ChatAnswer(ChatReply):
    """The whole completion, or with `Prefer: wait` what there is after that time: the job."""

    def __init__(self, doors: Doors, call: Call, preference: Preference) -> None:
        super().__init__(doors, call)
        self._preference = preference
        if preference.applied:
            self._extra["preference-applied"] = preference.applied

    async def _respond(self, tail: Tail, exchange: Exchange) -> None:
        await exchange.respond(await self._wait(tail))

    async def _wait(self, tail: Tail) -> Response:
        if (stored := self._stored()) is not None:
            return self._answered(stored)
        loop = asyncio.get_running_loop()
        remaining = self._remaining()
        wait = remaining if self._preference.wait is None else min(self._preference.wait, remaining)
        until = loop.time() + wait
        while True:
            entries = await tail.next(min(max(until - loop.time(), 0), self._doors.patience.keepalive))
            if entries and entries[-1].type.is_terminal:
                return self._answered(JobEnded.model_validate_json(entries[-1].data))
            if loop.time() >= until:
                break
        if wait < remaining:
            return accepted_response(self._call.received, self._extra)
        return out_of_time().response(self._extra)

    def _answered(self, ended: JobEnded) -> Response:
        if ended.status is not JobStatus.SUCCEEDED:
            return of_ended(ended).response(self._extra)
        if ended.response is None:
            return answer_not_kept().response(self._extra)
        return Response(orjson.dumps(ended.response), headers=self._extra, media_type="application/json")


def accepted_response(received: Received, headers: dict[str, str]) -> Response:
    body = received_object(received)
    found = job_headers(received) | headers | {"location": body.links.self}
    return Response(body.model_dump_json(), 202, headers=found, media_type="application/json")


def job_headers(received: Received) -> dict[str, str]:
    found: dict[str, str] = {JOB_ID: received.job.id}
    match received:
        case Known():
            found["idempotent-replayed"] = "true"
        case Fresh(allowance=Allowance() as allowance):
            found |= ratelimit_headers(allowance)
        case Fresh():
            pass
    return found
