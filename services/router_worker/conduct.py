"""Makes the calls that a journey asks for, and charges each: one, or a second beside one that is slow to begin.

Of two, whoever has the first output is heard and goes on; the other is stopped, and charged for what it did.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
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
from services.router_worker.race import Caller, Race
from services.router_worker.resilience.hedging import Hedging
from services.router_worker.resilience.reactions import REACTIONS, Blame, Then
from services.router_worker.routing.explain import Called, Running, explained
from services.router_worker.routing.steps import (
    AttemptFailed,
    Call,
    Event,
    FirstOutput,
    OtherFailed,
    Overtaken,
    Succeeded,
)
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
        first, race = Caller(call, permit, run.assembler), Race()
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

    async def _race(self, run: Run, first: Caller, race: Race, slow_after: float, second: Second) -> Sequence[Event]:
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
        finally:
            for caller in callers:  # a task that is cancelled before its first step has no last one
                caller.give_back(0, None)
        if other is None:
            return await self._conclude(run, first)
        heard = "first" if race.heard is first else "second" if race.heard else "nobody"
        self.measures.hedged(run.job.model, heard)
        last = race.heard or (first if _ends_the_job(first) else other)
        beside = await self._leave(run, first if last is other else other)
        return [*([Overtaken()] if last is other else []), *beside, *await self._conclude(run, last)]

    def _second(self, run: Run, first: Caller, second: Second) -> Caller | None:
        if not self.hedging.may_spend(run.job.model) or (found := second()) is None:
            return None
        self.hedging.spend(run.job.model)
        log.info("hedged", slow=first.call.candidate.name, beside=found[0].candidate.name)
        return Caller(*found, Assembler(), AttemptRole.HEDGE)

    def _enter(self, group: asyncio.TaskGroup, run: Run, caller: Caller, race: Race) -> "asyncio.Task[None]":
        race.calls += 1
        race.running += 1
        return group.create_task(self._conduct(run, caller, race))

    async def _conduct(self, run: Run, caller: Caller, race: Race) -> None:
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

    async def _begin(self, run: Run, caller: Caller) -> Attempt:
        """Note in the claim that the provider is called: whoever finds the job orphaned can charge it."""
        job, call = run.job, caller.call
        before = run.attempts[-1] if run.attempts else None
        key = caller.permit.key_name
        running = [Running(each.begun.deployment, each.begun.provider_key) for each in run.current]
        calls: list[Called] = [*run.attempts, *running, Running(call.candidate.name, key)]
        plan = explained(run.plan, calls, run.met)
        begun = begin_attempt(
            call.candidate, call.attempt, run.taken.epoch, self.clock(), before, plan, caller.role, key
        )
        if before is not None and begun.role is AttemptRole.FAILOVER:
            self.measures.failed_over(job.model, before.error_kind or "worker_lost")
        await self.note(run, f"a{call.attempt}", begun.to_bytes())
        self._announce(run, call)
        attempt = Attempt(job, begun, caller.assembler)
        run.current.append(attempt)
        self.measures.attempt_began(begun)
        return attempt

    async def _listen(self, run: Run, caller: Caller, attempt: Attempt, race: Race) -> None:
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

    def _is_heard(self, run: Run, caller: Caller, race: Race) -> bool:
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

    async def _leave(self, run: Run, caller: Caller) -> Sequence[Event]:
        """Another is heard instead: charge it for what it did, or judge it for how it failed."""
        attempt = caller.attempt
        if attempt is None:
            return []
        if attempt.failure is not None:
            failed = await self._conclude(run, caller)
            return [OtherFailed(each) for each in failed if isinstance(each, AttemptFailed)]
        so_long = (self.clock() - attempt.begun.started_at).total_seconds()
        # Or longer; but without it, only quick calls would be known.
        self.hedging.answered(attempt.begun.deployment, so_long)
        attempt.begun = attempt.begun.model_copy(update={"role": AttemptRole.HEDGE_LOSER})
        finished = attempt_finished(run.job, attempt.close(AttemptStatus.CANCELLED, self.clock()))
        self.close(run, attempt, finished)
        await self.note(run, f"f{finished.attempt}", finished.to_bytes())
        return []

    async def _conclude(self, run: Run, caller: Caller) -> Sequence[Event]:
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


def _ends_the_job(caller: Caller) -> bool:
    failure = caller.attempt.failure if caller.attempt else None
    return failure is not None and REACTIONS[failure.kind].then in (Then.GIVE_UP, Then.EXPIRE)


def _log_failure(finished: AttemptFinished, failure: Failure, evidence: str) -> None:
    what = {"attempt": finished.attempt_id, "kind": failure.kind, "on": finished.deployment}
    if failure.status is not None:
        what["status"] = str(failure.status)
    if evidence:
        what["evidence"] = evidence
    log.info("attempt_failed", **what)
