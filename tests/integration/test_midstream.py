"""Streams that break, dry up or end oddly, before their first token and behind it, under each policy.

All of them run at once in one worker, and each test looks at what became of one. Two things hold for every one: what a
reader holds in the end is one answer, never two glued together; and whether it is whole is said.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from shared.contracts import AttemptFinished, AttemptStatus, Interruption, Job, JobEnded, JobStatus, UsageSource
from shared.ids import new_id
from shared.job_log import Entry, EventType
from simulator import Script
from tests.suites.fleet import Fleet, Servers, a_job, running_fleet, until

WHOLE = 60
IMPATIENT = {"first_token_seconds": 5, "between_tokens_seconds": 5}


@dataclass(frozen=True, slots=True)
class Fault:
    name: str
    kind: str
    """Of the failure that it is."""
    script: str
    shown: int = 0
    """How many tokens come before it."""
    timeouts: Mapping[str, float] = field(default_factory=dict)


FAULTS = [
    Fault("cut", "cut", "cut_after={at}", 40),
    Fault("reset", "cut", "cut_after={at};cut_by=reset;gap=0.01", 40),
    Fault("stall", "stall", "stall_after={at}", 20, IMPATIENT),
    Fault("malformed", "malformed", "malformed_after={at}", 9),
    Fault("error", "server_error", "error_after={at}", 20),
    Fault("neither-reason-nor-end", "cut", "omit=both", WHOLE),
    Fault("drip", "too_slow", "gap=0.2", 0, {"between_tokens_seconds": 5, "slowest_tokens_per_second": 100}),
]
EARLY = [fault for fault in FAULTS if "{at}" in fault.script]
"""Those that can strike before the first token."""
POLICIES = list(Interruption)

UNHARMED = {
    "no-usage": "usage=never",
    "no-end-mark": "omit=end",
    "no-reason": "omit=finish",
    "usage-with-the-reason": "usage=with_finish",
}


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one job."""

    result: JobEnded
    entries: list[Entry]
    attempts: list[AttemptFinished]

    @property
    def text(self) -> str:
        """What a reader holds in the end: a restart voids what came before."""
        return "".join(self._deltas(self.entries[self._restart() :]))

    @property
    def first_shown(self) -> str:
        """What came before the restart, or before the end."""
        return "".join(self._deltas(self.entries[: self._restart() or None]))

    @property
    def restarts(self) -> int:
        return [entry.type for entry in self.entries].count(EventType.RESTART)

    @property
    def answer(self) -> dict[str, Any]:
        assert self.result.response is not None
        choice: dict[str, Any] = self.result.response["choices"][0]  # type: ignore[index,call-overload,assignment]
        return choice

    def _restart(self) -> int:
        places = [place for place, entry in enumerate(self.entries) if entry.type is EventType.RESTART]
        return places[-1] if places else 0

    @staticmethod
    def _deltas(entries: list[Entry]) -> list[str]:
        deltas = [orjson.loads(entry.data) for entry in entries if entry.type is EventType.DELTA]
        return [choice["delta"].get("content") or "" for delta in deltas for choice in delta["choices"]]


def model_of(fault: Fault, *, early: bool, goes_on: bool) -> str:
    return f"{fault.name}-{'early' if early else 'late'}{'-goes-on' if goes_on else ''}"


def models() -> dict[str, object]:
    """Each has a deployment that fails in its way, and behind it one that answers."""
    made: dict[str, object] = {"plain": {"deployments": [{"provider": "sim", "model": f"m;tokens={WHOLE}"}]}}
    variants = [(fault, True, False) for fault in EARLY]
    for fault, early, goes_on in (*variants, *product(FAULTS, (False,), (True, False))):
        provider = "prefilling" if goes_on else "sim"
        script = fault.script.format(at=0 if early else fault.shown)
        first = {"provider": provider, "model": f"m;tokens={WHOLE};{script}", "timeouts": dict(fault.timeouts)}
        second = {"provider": provider, "model": f"m;tokens={WHOLE}"}
        made[model_of(fault, early=early, goes_on=goes_on)] = {"deployments": [first, second]}
    for name, script in UNHARMED.items():
        made[name] = {"deployments": [{"provider": "sim", "model": f"m;tokens={WHOLE};{script}"}]}
    return made


@pytest.fixture(scope="module")
async def told(kafka_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator["Outcomes"]:
    folder = tmp_path_factory.mktemp("midstream")
    servers = Servers(kafka_url, redis_url)
    async with running_fleet(servers, folder, new_id("fleet"), scripts={"m": Script()}, quirks={}) as fleet:
        _configure(fleet, folder)
        await fleet.start_worker(SLUICE_INTERACTIVE_SLOTS="64")
        yield await _all(fleet)


Outcomes = Mapping[tuple[str, Interruption], Told]


def _configure(fleet: Fleet, folder: Path) -> None:
    at = {"base_url": f"{fleet.simulator.url}/v1"}
    config = {
        "providers": {"sim": at, "prefilling": {**at, "quirks": {"prefill": True}}},
        "models": models(),
        "retries": {"per_deployment": 0, "base_delay_seconds": 0.05},
    }
    (folder / "sluice.yaml").write_text(yaml.safe_dump(config))


async def _all(fleet: Fleet) -> Outcomes:
    jobs: dict[tuple[str, Interruption], Job] = {}
    for model, policy in product(models(), POLICIES):
        if model.endswith("-goes-on") and policy is not Interruption.CONTINUE:
            continue
        jobs[model, policy] = a_job(model=model, on_interrupt=policy, content="Tell me of sluices.")
    await fleet.submit(*jobs.values())
    ended = {result.job_id: result for result in await fleet.ended(*jobs.values(), seconds=60)}
    calls = sum(len(result.attempts) for result in ended.values())
    await until(lambda: len(fleet.usage) >= calls, "all calls are charged")
    logs = await asyncio.gather(*(fleet.log(job) for job in jobs.values()))
    return {
        key: Told(ended[job.id], log, [each for each in fleet.usage if each.job_id == job.id])
        for (key, job), log in zip(jobs.items(), logs, strict=True)
    }


@pytest.fixture
def whole(told: Outcomes) -> str:
    """The answer that nothing disturbed; all are to the same question."""
    text = told["plain", Interruption.FAIL].text
    assert len(text.split()) > WHOLE // 2
    return text


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("fault", EARLY, ids=lambda fault: fault.name)
def test_before_the_first_token_nobody_notices(told: Outcomes, whole: str, fault: Fault, policy: Interruption) -> None:
    job = told[model_of(fault, early=True, goes_on=False), policy]
    first, second = job.attempts
    assert first.error_kind == (fault.kind if fault.kind != "stall" else "first_token_timeout")
    assert (first.usage.output, second.status) == (0, AttemptStatus.SUCCEEDED)
    assert job.restarts == 0
    assert (job.result.status, job.text, job.answer["message"]["content"]) == (JobStatus.SUCCEEDED, whole, whole)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_behind_it_the_answer_begins_again_and_readers_are_told(told: Outcomes, whole: str, fault: Fault) -> None:
    job = told[model_of(fault, early=False, goes_on=False), Interruption.RESTART]
    _broke_off(job, fault, whole)
    assert job.restarts == 1
    assert (job.result.status, job.text, job.answer["message"]["content"]) == (JobStatus.SUCCEEDED, whole, whole)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_or_the_job_fails_with_half_an_answer_that_looks_like_half(told: Outcomes, whole: str, fault: Fault) -> None:
    job = told[model_of(fault, early=False, goes_on=False), Interruption.FAIL]
    _broke_off(job, fault, whole)
    assert job.restarts == 0
    assert job.result.status is JobStatus.FAILED
    assert job.result.error is not None
    assert job.entries[-1].type is EventType.ERROR
    assert job.answer["finish_reason"] is None
    assert job.answer["message"]["content"] == job.text
    assert len(job.attempts) == 1


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_or_it_goes_on_behind_what_was_shown(told: Outcomes, whole: str, fault: Fault) -> None:
    job = told[model_of(fault, early=False, goes_on=True), Interruption.CONTINUE]
    _broke_off(job, fault, whole)
    assert job.restarts == 0
    assert (job.result.status, job.text, job.answer["message"]["content"]) == (JobStatus.SUCCEEDED, whole, whole)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_or_begins_again_where_nobody_can_go_on(told: Outcomes, whole: str, fault: Fault) -> None:
    job = told[model_of(fault, early=False, goes_on=False), Interruption.CONTINUE]
    _broke_off(job, fault, whole)
    assert job.restarts == 1
    assert (job.result.status, job.text) == (JobStatus.SUCCEEDED, whole)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("oddity", UNHARMED)
def test_an_answer_that_only_lacks_a_formality_is_whole(
    told: Outcomes, whole: str, oddity: str, policy: Interruption
) -> None:
    job = told[oddity, policy]
    (attempt,) = job.attempts
    assert (job.result.status, job.text, job.restarts) == (JobStatus.SUCCEEDED, whole, 0)
    assert job.answer["finish_reason"] == attempt.finish_reason == "stop"
    assert attempt.usage_source is (UsageSource.ESTIMATE if oddity == "no-usage" else UsageSource.PROVIDER)
    assert attempt.usage.output > 0


def test_every_job_has_one_ending(told: Outcomes) -> None:
    for job in told.values():
        assert [entry.type.is_terminal for entry in job.entries].count(True) == 1
        assert job.entries[-1].type.is_terminal


def _broke_off(job: Told, fault: Fault, whole: str) -> None:
    first = job.attempts[0]
    assert (first.status, first.error_kind) == (AttemptStatus.FAILED, fault.kind)
    # A reset destroys what is on its way.
    assert first.usage.output >= (fault.shown if fault.name != "reset" else 1), "what was served is charged"
    assert job.first_shown
    assert whole.startswith(job.first_shown)
