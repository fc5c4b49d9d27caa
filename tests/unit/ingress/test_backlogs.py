"""What workers told, what was promised since, and what silence means."""

import math
from collections.abc import Mapping

import pytest

from services.ingress.backlogs import Backlogs
from shared.contracts import Lane
from shared.load import LaneLoad, WorkerLoad
from shared.sharding import partitions_of
from shared.telemetry import Instruments
from tests.suites.ingress import a_job

INTERACTIVE, BATCH = Lane.INTERACTIVE, Lane.BATCH


class Watch:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def instruments() -> Instruments:
    return Instruments("test")


@pytest.fixture
def backlogs(watch: Watch, instruments: Instruments) -> Backlogs:
    return Backlogs({}, lambda tenant: 2 if tenant else None, instruments, watch)


def a_worker(lane: Lane = INTERACTIVE, **fields: object) -> WorkerLoad:
    standard = {"slots": 1, "free": 0, "job_seconds": 1.0, "waiting": {}, "unnamed": 0, "partitions": tuple(range(8))}
    return WorkerLoad(beat=1, lanes={lane: LaneLoad.model_validate(standard | fields)})


def expected(backlogs: Backlogs, tenant: str = "acme", lane: Lane = INTERACTIVE, model: str = "gpt-4o") -> float | None:
    wait = backlogs.wait(lane, tenant, model)
    return None if wait is None else wait.expected.total_seconds()


def test_before_anybody_was_asked_nobody_knows(backlogs: Backlogs) -> None:
    assert expected(backlogs) is None


def test_what_waits_at_all_workers_is_waited_for(backlogs: Backlogs) -> None:
    backlogs.told([a_worker(waiting={"acme": 7}), a_worker(waiting={"acme": 4})])
    assert expected(backlogs) == 12 / 2


def test_what_was_promised_since_is_waited_for_too(backlogs: Backlogs, watch: Watch) -> None:
    backlogs.told([a_worker()])
    for _ in range(50):
        backlogs.promised(a_job())
    assert expected(backlogs) == 51
    watch.now += 20
    assert expected(backlogs) == 31
    assert expected(backlogs, "rival") == 2


def test_what_workers_told_may_be_older_than_the_last_telling(backlogs: Backlogs, watch: Watch) -> None:
    backlogs.told([a_worker()])
    for _ in range(50):
        backlogs.promised(a_job())
    backlogs.told([a_worker()])
    assert expected(backlogs) == 51
    backlogs.told([a_worker(waiting={"acme": 50})])
    assert expected(backlogs) == 51


def test_a_scheduled_job_waits_elsewhere(backlogs: Backlogs) -> None:
    backlogs.told([a_worker()])
    job = a_job()
    backlogs.promised(job.model_copy(update={"not_before": job.deadline}))
    assert expected(backlogs) == 1


def test_a_silence_is_expected_to_last_as_long_as_it_has(backlogs: Backlogs, watch: Watch) -> None:
    backlogs.told([a_worker()])
    watch.now += 1
    backlogs.told([])
    watch.now += 30
    backlogs.told([])
    wait = backlogs.wait(INTERACTIVE, "acme", "gpt-4o")
    assert wait is not None
    assert (wait.expected.total_seconds(), wait.workers) == (31, False)
    backlogs.told([a_worker(free=1)])
    assert expected(backlogs) == 0


def test_a_worker_that_takes_no_more_is_as_none(backlogs: Backlogs, watch: Watch) -> None:
    backlogs.told([a_worker(slots=0, waiting={"acme": 9})])
    watch.now += 5
    assert expected(backlogs) == 5


def test_what_was_silent_while_nobody_could_tell_does_not_count(backlogs: Backlogs, watch: Watch) -> None:
    backlogs.told([])
    watch.now += 100
    backlogs.unknown()
    assert expected(backlogs) is None
    backlogs.told([])
    assert expected(backlogs) == 0


def test_in_the_batch_lane_those_workers_count_that_read_the_tenants_partitions(backlogs: Backlogs) -> None:
    own = partitions_of("acme", 8, 2)
    others = tuple(sorted({*range(8)} - {*own}))
    near, far = a_worker(BATCH, partitions=own, waiting={"acme": 9}), a_worker(BATCH, partitions=others, slots=100)
    backlogs.told([near, far])
    assert expected(backlogs, lane=BATCH) == 10
    backlogs.told([far])  # its partitions are just moving
    assert expected(backlogs, lane=BATCH) == 0.01


def levels(instruments: Instruments, name: str) -> Mapping[str, float]:
    (family,) = [family for family in instruments.registry.collect() if family.name == name]
    return {sample.labels.get("lane", ""): sample.value for sample in family.samples}


def test_a_newcomers_wait_is_measured(backlogs: Backlogs, instruments: Instruments) -> None:
    assert all(math.isnan(value) for value in levels(instruments, "sluice_expected_wait_seconds").values())
    backlogs.told([a_worker(waiting={"acme": 100})])
    assert levels(instruments, "sluice_expected_wait_seconds")["interactive"] == 2
    assert levels(instruments, "sluice_workers_seen") == {"": 1}


def test_of_a_burst_the_slots_have_begun_nothing_yet(backlogs: Backlogs, watch: Watch) -> None:
    backlogs.told([a_worker()])
    watch.now += 1
    for _ in range(50):
        backlogs.promised(a_job())
    assert expected(backlogs) == 51


def test_what_was_promised_for_a_model_at_its_limit_waits_in_its_line(backlogs: Backlogs) -> None:
    limited = {"gpt-4o": {"waiting": {}, "unnamed": 0, "per_second": 0.1}}
    backlogs.told([a_worker(slots=8, free=8, held_back=limited)])
    for _ in range(4):
        backlogs.promised(a_job())
    assert expected(backlogs) == 50
    assert expected(backlogs, model="another") == 0
