"""A record's tenant and cost, read without reading the job."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router_worker.scheduling.weighing import NOBODY, Weight, weigh
from shared.contracts import JsonObject
from tests.suites.fleet import a_job


def weight_of(**asked: object) -> int:
    job = a_job()
    body: JsonObject = {**job.body, **asked}  # type: ignore[dict-item]
    return weigh(job.model_copy(update={"body": body, "input_tokens": 100}).to_bytes()).cost


def test_a_job_as_ingress_writes_it_is_its_tenants() -> None:
    assert weigh(a_job().to_bytes()).tenant == "acme"


@pytest.mark.parametrize(
    ("asked", "cost"),
    [
        ({}, 100 + 1024),
        ({"max_tokens": 50}, 150),
        ({"max_completion_tokens": 60, "max_tokens": 50}, 160),
        ({"max_completion_tokens": None, "max_tokens": 50}, 150),
        ({"max_tokens": 50, "n": 4}, 300),
        ({"n": 2}, 100 + 2048),
        ({"max_tokens": "many"}, 100 + 1024),
        ({"max_tokens": 10**12}, 1_000_000),
    ],
)
def test_the_cost_is_input_and_the_most_output_that_was_asked_for(asked: dict[str, object], cost: int) -> None:
    assert weight_of(**asked) == cost


@given(st.binary(max_size=60))
def test_any_bytes_have_an_owner(value: bytes) -> None:
    assert isinstance(weigh(value), Weight)


@pytest.mark.parametrize("value", [b"", b"\xff not json", b"7", b'{"id": 1}', orjson.dumps({"tenant": "acme"})])
def test_what_cannot_be_read_is_nobodys(value: bytes) -> None:
    assert weigh(value) == NOBODY


def test_the_times_of_a_job_are_read_as_well() -> None:
    job = a_job()
    weight = weigh(job.to_bytes())
    assert (weight.deadline, weight.not_before) == (job.deadline, None)


@pytest.mark.parametrize("text", ["soon", "2026-11-20T12:00:00", 7, None])
def test_a_moment_that_is_none_is_left_to_the_reader_of_the_job(text: object) -> None:
    record = {**orjson.loads(a_job().to_bytes()), "not_before": text}
    assert weigh(orjson.dumps(record)).not_before is None


def test_the_cost_is_known_without_reading_the_times() -> None:
    record = orjson.loads(a_job().to_bytes())
    del record["deadline"]
    assert weigh(orjson.dumps(record)).tenant == "acme"
