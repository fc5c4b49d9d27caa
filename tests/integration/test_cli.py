"""Every command that asks a server, on the real ones: as a process, with its output and its exit code."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from aiokafka import AIOKafkaConsumer, TopicPartition

from cli.exit_codes import ExitCode
from shared.contracts import JobStatus
from shared.kafka import ensure_topics, new_producer
from shared.topics import RESULTS, SUBMIT
from tests.suites.command_line import Sluice
from tests.suites.ingress import KEY, a_job, an_end
from tests.suites.served_ingress import Place, ServedIngress, fresh_place, serving_ingress, the_config, until

BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}]}


@pytest.fixture(scope="module")
async def served(kafka_url: str, redis_url: str, postgres_url: str) -> AsyncIterator[ServedIngress]:
    async with fresh_place(kafka_url, redis_url, postgres_url) as place, serving_ingress(place) as served:
        yield served


@pytest.fixture
def sluice(served: ServedIngress, tmp_path: Path) -> Sluice:
    return at(served.place, tmp_path, SLUICE_URL=served.url(), SLUICE_API_KEY=KEY)


def at(place: Place, folder: Path, **variables: str) -> Sluice:
    (folder / "sluice.yaml").write_text(yaml.safe_dump(the_config().model_dump(mode="json", exclude_none=True)))
    told = {
        "KAFKA_URL": place.kafka_url,
        "REDIS_URL": place.redis_url,
        "POSTGRES_URL": place.postgres_url,
        "SLUICE_TOPIC_PREFIX": place.topic_prefix,
        "SLUICE_NAMESPACE": place.namespace,
    }
    return Sluice(folder, told | variables)


def a_file(folder: Path, *lines: object) -> str:
    path = folder / "lines.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return str(path)


async def test_good_lines_are_submitted_and_a_bad_one_is_told_with_its_number(sluice: Sluice) -> None:
    ended = await sluice("submit", a_file(sluice.folder, BODY, "oops", BODY | {"model": "nope"}), "--wait", "--json")

    assert ended.code == ExitCode.SOME_FAILED
    by_line = {each["line"]: each for each in ended.lines if each["status"] != "queued"}
    assert {number: each["status"] for number, each in by_line.items()} == {1: "succeeded", 2: "refused", 3: "refused"}
    assert "not JSON" in by_line[2]["error"]
    assert "`nope`" in by_line[3]["error"]
    assert "1 of 3 lines accepted, 2 refused, 1 succeeded." in ended.err


async def test_what_comes_through_a_pipe_is_submitted(sluice: Sluice) -> None:
    process = await sluice.start("submit", "-", "--model", "gpt-4o-mini")
    out, _ = await process.communicate(json.dumps(BODY).encode())

    assert (process.returncode, out) == (0, b"1 of 1 lines accepted.\n")


async def test_a_model_that_the_key_may_not_ask_for_is_told_before_anything_is_sent(sluice: Sluice) -> None:
    ended = await sluice("submit", a_file(sluice.folder, BODY), "--model", "gpt-9")

    assert (ended.code, ended.out) == (ExitCode.SETUP, "")
    assert "may not ask for the model 'gpt-9'; it may for gpt-4o, gpt-4o-mini, tiny" in ended.err


async def test_a_gateway_that_is_away_is_told_and_nothing_is_sent(sluice: Sluice) -> None:
    ended = await sluice("submit", a_file(sluice.folder, BODY), SLUICE_URL="http://127.0.0.1:9")

    assert (ended.code, ended.out) == (ExitCode.SETUP, "")
    assert ended.err.startswith("sluice: No gateway answers at http://127.0.0.1:9 (SLUICE_URL)")


async def test_a_wrong_key_is_told_with_where_it_is_from(sluice: Sluice) -> None:
    ended = await sluice("jobs", "list", SLUICE_API_KEY=f"slk_web_{'0' * 64}")

    assert ended.code == ExitCode.SETUP
    assert "The key of SLUICE_API_KEY is not accepted" in ended.err


async def test_records_of_the_submit_topic_are_jobs_whose_ids_are_known(sluice: Sluice, served: ServedIngress) -> None:
    bodies = [BODY | {"user": f"topic-{number}"} for number in range(40)]
    ended = await sluice("submit", a_file(sluice.folder, *bodies), "--door", "topic", "--json")

    assert ended.code == 0
    ids = {each["id"] for each in ended.lines}
    await until(lambda: ids <= {job.id for job in served.worker.jobs}, "each record becomes the job that was told")


async def test_a_submission_by_topic_needs_no_configuration(sluice: Sluice) -> None:
    (sluice.folder / "sluice.yaml").unlink()

    ended = await sluice("submit", a_file(sluice.folder, BODY), "--door", "topic", "--json")
    assert (ended.code, ended.lines[0]["status"], ended.lines[0]["id"]) == (0, "queued", None)
    refused = await sluice("submit", a_file(sluice.folder, BODY), "--door", "topic", "--wait")
    assert refused.code == ExitCode.SETUP
    assert "--wait needs the configuration" in refused.err


async def test_a_job_is_followed_shown_and_cancelled(sluice: Sluice) -> None:
    hanging = BODY | {"messages": [{"role": "user", "content": "please hang"}], "user": "cancelled"}
    submitted = await sluice("submit", a_file(sluice.folder, BODY, hanging), "--json")
    job, hangs = (each["id"] for each in sorted(submitted.lines, key=lambda each: each["line"]))

    followed = await sluice("follow", job)
    assert (followed.code, followed.out) == (0, "Hello.\n")
    shown = await sluice("jobs", "show", job, "--json")
    assert (shown.json["status"], shown.json["model"]) == ("succeeded", "gpt-4o")
    cancelled = await sluice("jobs", "cancel", hangs, "job_0")
    assert cancelled.code == ExitCode.SOME_FAILED
    assert hangs in cancelled.out
    assert "job_0" in cancelled.err
    assert (await sluice("follow", hangs)).code == ExitCode.SOME_FAILED


async def test_results_are_written_once_and_gone_on_with(sluice: Sluice, served: ServedIngress) -> None:
    topic = RESULTS.at(served.place.topic_prefix)
    first, second = (an_end(a_job(), text="Hello.", status=JobStatus.SUCCEEDED) for _ in range(2))
    for end in (first, first):
        await served.producer.send_and_wait(topic, end.to_bytes(), key=end.job_id.encode())

    begun = await sluice("results", "-o", "out.jsonl", "--json")
    assert begun.code == 0
    await served.producer.send_and_wait(topic, second.to_bytes(), key=second.job_id.encode())
    (sluice.folder / "jobs").write_text(f"{first.job_id}\n{second.job_id}\n")
    await sluice("results", "-o", "out.jsonl", "--jobs", "jobs", "--timeout", "30s")
    written = [json.loads(line) for line in (sluice.folder / "out.jsonl").read_text().splitlines()]
    assert [each["id"] for each in written] == [first.job_id, second.job_id]
    assert written[0]["response"]["status_code"] == 200


async def test_results_that_do_not_come_in_time_are_told(sluice: Sluice) -> None:
    (sluice.folder / "jobs").write_text(a_job().id + "\n")

    ended = await sluice("results", "--jobs", "jobs", "--timeout", "0.2s")
    assert ended.code == ExitCode.TIMED_OUT
    assert "1 of the jobs are missing" in ended.err


async def test_usage_of_an_empty_ledger_is_an_empty_list(sluice: Sluice) -> None:
    assert (await sluice("usage", "--json")).json == []


async def test_servers_that_are_away_are_named_with_who_named_them(sluice: Sluice) -> None:
    nowhere = {"KAFKA_URL": "127.0.0.1:9", "POSTGRES_URL": "postgresql://u:secret@127.0.0.1:9/x"}

    kafka, postgres = await asyncio.gather(sluice("topics", "list", **nowhere), sluice("usage", **nowhere))
    assert (kafka.code, postgres.code) == (ExitCode.SETUP, ExitCode.SETUP)
    assert "Kafka does not answer at 127.0.0.1:9 (KAFKA_URL)" in kafka.err
    assert "POSTGRES_URL" in postgres.err
    assert "secret" not in postgres.err


async def test_topics_are_created_and_listed_with_the_lag_of_their_readers(place: Place, tmp_path: Path) -> None:
    sluice = at(place, tmp_path)
    missing = await sluice("topics", "list", "--json")
    assert missing.code == ExitCode.SETUP
    assert {each["exists"] for each in missing.json} == {False}

    created = await sluice("topics", "create", "--json")
    assert SUBMIT.at(place.topic_prefix) in created.json["created"]
    await read_one_of_three(place)
    listed = await sluice("topics", "list", "--json")
    assert listed.code == 0
    submit = next(each for each in listed.json if each["topic"] == SUBMIT.at(place.topic_prefix))
    assert (submit["partitions"], submit["records"], submit["lag"]) == (8, 3, {f"{place.namespace}.readers": 2})
    assert (await sluice("topics", "create", "--json")).json["created"] == []


async def read_one_of_three(place: Place) -> None:
    topic = SUBMIT.at(place.topic_prefix)
    async with new_producer(place.kafka_url, "test") as producer:
        for _ in range(3):
            await producer.send_and_wait(topic, b"{}", key=b"k")
    reader = AIOKafkaConsumer(
        topic,
        bootstrap_servers=place.kafka_url,
        group_id=f"{place.namespace}.readers",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    async with reader:
        record = await asyncio.wait_for(reader.getone(), 30)
        await reader.commit({TopicPartition(topic, record.partition): record.offset + 1})


async def test_a_topic_that_was_made_otherwise_is_told_and_left(place: Place, tmp_path: Path) -> None:
    await ensure_topics(place.kafka_url, place.topic_prefix, [replace(RESULTS, partitions=3)])

    told = await at(place, tmp_path)("topics", "create")
    assert told.code == 0
    assert f"{RESULTS.at(place.topic_prefix)}: partitions is 3, and Sluice would have made it 8" in told.err
