"""Makes the calls that a journey asks for, and charges each: one, or a second beside one that is slow to begin.

Of two, whoever has the first output is heard and goes on; the other is stopped, and charged for what it did.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

import anyio.lowlevel
import orjson
import structlog

from services.router_worker.assembly import Assembler
from services.router_worker.attempt import Attempt
from services.router_worker.calls import Permit, ProviderCalls
from services.router_worker.events import Chunk, LimitsTold
from services.router_worker.failures import Failure
from services.router_worker.outcome import attempt_finished, begin_attempt
from services.router_worker.patience import until_answered
from services.router_worker.ports import Begun, Claims, Measures, TokenEstimates
from services.router_worker.resilience.hedging import Hedging
from services.router_worker.resilience.reactions import REACTIONS, Blame
from services.router_worker.routing.explain import Called, Running, explained
from services.router_worker.routing.steps import AttemptFailed, Call, Event, FirstOutput, Overtaken, Succeeded
from services.router_worker.routing.traffic import Traffic
from services.router_worker.run import Run
from services.router_worker.running import Why
from shared.clock import Clock
from shared.contracts import AttemptFinished, AttemptRole, AttemptStatus, Lane
from shared.ids import attempt_id
from shared.job_log import EventType

__all__ = ["Conductor", "Second"]

log = structlog.get_logger("journey")

Second = Callable[[], tuple[Call, Permit] | None]
"""Asks the journey whom to call beside a call that is slow; None when there is nobody."""


@dataclass(slots=True, eq=False)
class _Caller:
    """One of the calls that are made for an answer."""

    call: Call
    permit: Permit
    assembler: Assembler
    role: AttemptRole | None = None
    """None where it follows from the call before."""
    attempt: Attempt | None = None
    """Once it has begun."""
    held: list[Chunk] = field(default_factory=list)
    """What it said before its first output, while it was open who would be heard."""
    is_over: bool = False

    def give_back(self, used: int | None, failure: Failure | None) -> None:
        """The permit, once."""
        if not self.is_over:
            self.is_over = True
            self.permit.end(used, failure)


@dataclass(slots=True, eq=False)
class _Race:
    """Who of those that are called is heard?"""

    heard: _Caller | None = None
    calls: int = 0
    running: int = 0
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def settled(self, within_seconds: float | None = None) -> None:
        """Returns when somebody is heard, or nobody is left, or so much time has passed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_seconds):
                while self.heard is None and self.running:
                    self.moved.clear()
                    await self.moved.wait()


@dataclass(frozen=True, slots=True)
class Conductor:
    claims: Claims
    traffic: Traffic
    providers: ProviderCalls
    estimates: TokenEstimates
    measures: Measures
    hedging: Hedging
    clock: Clock

    async def attempt(self, run: Run, call: Call, permit: Permit, second: Second) -> Sequence[Event]:
        """Call one deployment until it ends; afterwards every call that was made is charged and noted in the claim."""
        first, race = _Caller(call, permit, run.assembler), _Race()
        slow_after = self._slow_after(run, call)
        if slow_after is None:
            race.heard = first
            await self._conduct(run, first, race)
            return await self._conclude(run, first)
        return await self._race(run, first, race, slow_after, second)

    def _slow_after(self, run: Run, call: Call) -> float | None:
        if run.job.lane is not Lane.INTERACTIVE or not run.job.streamed or call.resume:
            return None
        return self.hedging.began(run.job.model, call.candidate.name)

    async def _race(self, run: Run, first: _Caller, race: _Race, slow_after: float, second: Second) -> Sequence[Event]:
        callers, other = [first], None
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [self._enter(group, run, first, race)]
                await race.settled(slow_after)
                if race.heard is None and race.running and (found := self._second(run, first, second)):
                    callers.append(other := found)
                    tasks.append(self._enter(group, run, other, race))
                await race.settled()
                for caller, task in zip(callers, tasks, strict=True):
                    if race.heard is not None and caller is not race.heard:
                        task.cancel()
                        await asyncio.wait([task])
                        await self._stop(run, caller)
        finally:
            for caller in callers:  # a task that is cancelled before its first step has no last one
                caller.give_back(0, None)
        if other is None:
            return await self._conclude(run, first)
        heard = "first" if race.heard is first else "second" if race.heard else "nobody"
        self.measures.hedged(run.job.model, heard)
        if race.heard is first:
            return await self._conclude(run, first)
        if race.heard is None:
            await self._conclude(run, first)
        return [Overtaken(), *await self._conclude(run, other)]

    def _second(self, run: Run, first: _Caller, second: Second) -> _Caller | None:
        if not self.hedging.may_spend(run.job.model) or (found := second()) is None:
            return None
        self.hedging.spend(run.job.model)
        log.info("hedged", slow=first.call.candidate.name, beside=found[0].candidate.name)
        return _Caller(*found, Assembler(), AttemptRole.HEDGE)

    def _enter(self, group: asyncio.TaskGroup, run: Run, caller: _Caller, race: _Race) -> "asyncio.Task[None]":
        race.calls += 1
        race.running += 1
        return group.create_task(self._conduct(run, caller, race))

    async def _conduct(self, run: Run, caller: _Caller, race: _Race) -> None:
        """The call, from its permit to its end."""
        name = caller.call.candidate.name
        used: int | None = 0
        failure = None
        self.traffic.began(name)
        try:
            attempt = caller.attempt = await self._begin(run, caller)
            used = None
            # Each token wakes every coroutine between its task and the socket; from a task of its own the way is short.
            await asyncio.create_task(self._listen(run, caller, attempt, race), name=f"listens to {name}")
            used, failure = attempt.tokens, attempt.failure
        finally:
            caller.give_back(used, failure)
            self.traffic.ended(name)
            race.running -= 1
            race.moved.set()

    async def _begin(self, run: Run, caller: _Caller) -> Attempt:
        """Note in the claim that the provider is called: whoever finds the job orphaned can charge it."""
        job, call = run.job, caller.call
        before = run.attempts[-1] if run.attempts else None
        running = [Running(each.begun.deployment) for each in run.current]
        calls: list[Called] = [*run.attempts, *running, Running(call.candidate.name)]
        plan = explained(run.plan, calls, run.met)
        begun = begin_attempt(call.candidate, call.attempt, run.taken.epoch, self.clock(), before, plan, caller.role)
        if before is not None and begun.role is AttemptRole.FAILOVER:
            self.measures.failed_over(job.model, before.error_kind or "worker_lost")
        await self.note(run, f"a{call.attempt}", begun.to_bytes())
        self._announce(run, call)
        attempt = Attempt(job, begun, caller.assembler)
        run.current.append(attempt)
        self.measures.attempt_began(begun)
        return attempt

    async def _listen(self, run: Run, caller: _Caller, attempt: Attempt, race: _Race) -> None:
        """Until its end, or until another is heard instead."""
        job, call, permit = run.job, caller.call, caller.permit
        name, resume_text = attempt_id(job.id, call.attempt), caller.assembler.text if call.resume else None
        calls = self.providers.attempt(
            job, call.candidate, name, resume_text, job.deadline, key=permit.key, traceparent=run.traceparent
        )
        answered = False
        async with aclosing(calls) as events:
            async for event in events:
                attempt.take(event, attempt.first_output_at or self.clock())
                if not answered and attempt.first_output_at is not None:
                    answered = True
                    permit.answered()
                    if not self._is_heard(run, caller, race):
                        return
                if isinstance(event, Chunk):
                    if race.heard is not caller:
                        caller.held.append(event)
                    elif job.streamed:
                        run.log.show(event)
                elif isinstance(event, LimitsTold):
                    permit.hear(event.limits)
        if attempt.succeeded:
            self._is_heard(run, caller, race)

    def _is_heard(self, run: Run, caller: _Caller, race: _Race) -> bool:
        """Whether this is the one; the first to ask is."""
        if race.heard is None:
            race.heard = caller
            race.moved.set()
            run.assembler = caller.assembler
            if race.calls > 1:
                self._announce(run, caller.call)
            for chunk in caller.held:
                run.log.show(chunk)
        return race.heard is caller

    def _announce(self, run: Run, call: Call) -> None:
        """What is shown from here on is this call's."""
        run.log.note(
            EventType.PROGRESS,
            orjson.dumps({"step": "attempt", "attempt": call.attempt, "deployment": call.candidate.name}),
        )

    async def _stop(self, run: Run, caller: _Caller) -> None:
        """It is not heard any more: charge it for what it did."""
        attempt = caller.attempt
        if attempt is None:
            return
        if attempt.failure is None:
            so_long = (self.clock() - attempt.begun.started_at).total_seconds()
            # Or longer; but without it, only quick calls would be known.
            self.hedging.answered(attempt.begun.deployment, so_long)
            attempt.begun = attempt.begun.model_copy(update={"role": AttemptRole.HEDGE_LOSER})
        status = AttemptStatus.CANCELLED if attempt.failure is None else AttemptStatus.FAILED
        finished = attempt_finished(run.job, attempt.close(status, self.clock()))
        self.close(run, attempt, finished)
        await self.note(run, f"f{finished.attempt}", finished.to_bytes())

    async def _conclude(self, run: Run, caller: _Caller) -> Sequence[Event]:
        attempt, now = cast("Attempt", caller.attempt), self.clock()
        estimate = await self.estimates.usage(run.job, attempt.assembler.output) if attempt.needs_estimate else None
        status = AttemptStatus.SUCCEEDED if attempt.succeeded else AttemptStatus.FAILED
        finished = attempt_finished(run.job, attempt.close(status, now, estimate))
        self.close(run, attempt, finished)
        self._remember(run, attempt, now)
        shown = [FirstOutput(attempt.first_output_at)] if run.job.streamed and attempt.first_output_at else []
        if attempt.failure is None:
            return [*shown, Succeeded(now)]
        _log_failure(finished, attempt.failure, attempt.evidence)
        await self.note(run, f"f{finished.attempt}", finished.to_bytes())
        failed = AttemptFailed(
            attempt.failure,
            now,
            random.random(),  # noqa: S311 - spreads retries, guards nothing
            resumable=attempt.assembler.is_resumable,
            another_key=caller.permit.another_key(),
        )
        return [*shown, failed]

    def _remember(self, run: Run, attempt: Attempt, now: datetime) -> None:
        """How long its deployment took to say something, for those who choose by it."""
        waited = ((attempt.first_output_at or now) - attempt.begun.started_at).total_seconds()
        if attempt.first_output_at is not None:
            self.traffic.answered(attempt.begun.deployment, waited, now.timestamp())
            if self.hedging.watches(run.job.model) and run.job.streamed:
                self.hedging.answered(attempt.begun.deployment, waited)
        elif attempt.failure is not None and REACTIONS[attempt.failure.kind].blame is Blame.DEPLOYMENT:
            self.traffic.failed(attempt.begun.deployment, waited, now.timestamp())

    async def note(self, run: Run, name: str, value: bytes) -> None:
        """Write into the claim what the next owner would have to know; learn from it whether to go on."""
        run.claim[name] = value
        begun = await until_answered(lambda: self.claims.note(run.job.id, run.taken.epoch, name, value))
        if begun is Begun.FENCED:
            run.interrupt.stop(Why.FENCED)
        if begun is Begun.CANCEL:
            run.interrupt.stop(Why.CANCELLED)
        await anyio.lowlevel.checkpoint()

    def close(self, run: Run, attempt: Attempt, finished: AttemptFinished) -> None:
        """The attempt has ended here: it is charged, and runs no more."""
        run.attempts.append(finished)
        run.current.remove(attempt)
        self.measures.attempt_ended(finished)


def _log_failure(finished: AttemptFinished, failure: Failure, evidence: str) -> None:
    what = {"attempt": finished.attempt_id, "kind": failure.kind, "on": finished.deployment}
    if failure.status is not None:
        what["status"] = str(failure.status)
    if evidence:
        what["evidence"] = evidence
    log.info("attempt_failed", **what)
