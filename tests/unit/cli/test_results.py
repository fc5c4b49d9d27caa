"""Results on their way into a file: OpenAI's batch output, each job once, only those that are wanted."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.batch_output import batch_line
from cli.collecting import Collection, ids_in
from shared.contracts import BlobRef, JobEnded, JobError, JobStatus, Lane, TokenUsage
from shared.errors import OperatorError
from shared.ids import new_job_id

A, B = str(new_job_id()), str(new_job_id())
AT = datetime(2026, 11, 21, tzinfo=UTC)
ANSWER = {"choices": [{"message": {"content": "Hello."}}]}


def an_end(status: JobStatus, error: JobError | None = None) -> JobEnded:
    return JobEnded(
        job_id=A,
        tenant="acme",
        caller="web",
        lane=Lane.BATCH,
        model="gpt-4o",
        custom_id="mt-81",
        status=status,
        response=ANSWER if status is JobStatus.SUCCEEDED else None,
        error=error,
        usage=TokenUsage(),
        attempts=(),
        route=(),
        epoch=1,
        accepted_at=AT,
        started_at=AT,
        ended_at=AT,
    )


def test_an_answer_is_a_response_with_status_200() -> None:
    assert batch_line(an_end(JobStatus.SUCCEEDED)) == {
        "id": A,
        "custom_id": "mt-81",
        "response": {"status_code": 200, "request_id": A, "body": ANSWER},
        "error": None,
    }


def test_a_failure_is_the_response_that_the_caller_would_have_got() -> None:
    error = JobError(status_code=429, message="Slow down.", type="rate_limit_error", code="rate_limit_exceeded")

    told = {"message": "Slow down.", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}
    assert batch_line(an_end(JobStatus.FAILED, error))["response"] == {
        "status_code": 429,
        "request_id": A,
        "body": {"error": told},
    }


@pytest.mark.parametrize(
    ("status", "code"), [(JobStatus.CANCELLED, "batch_cancelled"), (JobStatus.EXPIRED, "batch_expired")]
)
def test_a_job_that_got_no_answer_has_an_error(status: JobStatus, code: str) -> None:
    line = batch_line(an_end(status))

    assert (line["response"], line["error"]) == (None, {"code": code, "message": f"The job has {status.value}."})


def test_an_answer_that_was_left_in_the_store_and_is_gone_is_an_error() -> None:
    gone = BlobRef(key="2020-01-01T00/acme/job/response-1", size=5)
    line = batch_line(an_end(JobStatus.SUCCEEDED).model_copy(update={"response": None, "response_blob": gone}))
    assert line["response"] is None
    assert line["error"]["code"] == "answer_gone"  # type: ignore[index, call-overload]


def test_each_job_is_written_once_and_only_if_it_is_wanted() -> None:
    collection = Collection(frozenset({A, B}))

    assert [collection.takes(job) for job in (A, A, str(new_job_id()))] == [True, False, False]
    assert (collection.missing, collection.is_complete()) == (1, False)
    assert collection.takes(B)
    assert collection.is_complete()


def test_so_many_are_enough_counting_those_of_an_earlier_run() -> None:
    collection = Collection(count=2, written={A})

    assert not collection.is_complete()
    collection.takes(B)
    assert collection.is_complete()


def test_without_a_wish_it_is_never_complete() -> None:
    collection = Collection()
    collection.takes(A)

    assert not collection.is_complete()


def test_ids_are_read_from_bare_lines_from_results_and_from_what_submit_wrote(tmp_path: Path) -> None:
    file = tmp_path / "jobs"
    refused = json.dumps({"line": 3, "custom_id": None, "id": None, "status": "refused"})
    file.write_text(f"{A}\n\n{json.dumps({'id': B})}\n{refused}\n" + '{"id": "job_half')

    assert list(ids_in(file)) == [A, B]


def test_files_that_cannot_be_opened_are_told(sluice) -> None:
    unread = sluice("results", "--jobs", "nowhere.jsonl")
    unwritten = sluice("results", "-o", "nowhere/results.jsonl")

    assert (unread.code, unread.err) == (1, "sluice: nowhere.jsonl cannot be read: No such file or directory.\n")
    told = "sluice: nowhere/results.jsonl cannot be written: No such file or directory.\n"
    assert (unwritten.code, unwritten.err) == (1, told)


@pytest.mark.parametrize("line", ["job_1", "[]", '{"id": 5}', '{"id": "x"}'])
def test_a_line_without_an_id_is_told_with_its_number(tmp_path: Path, line: str) -> None:
    file = tmp_path / "jobs"
    file.write_text(f"{A}\n{line}\n")

    with pytest.raises(OperatorError, match=r"jobs:2: neither the id of a job nor"):
        list(ids_in(file))
