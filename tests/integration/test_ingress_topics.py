"""The topic door on real Kafka: whatever is published on a submit topic becomes a job or a dead letter."""

import time
from collections.abc import AsyncIterator

import orjson
import pytest

from services.accounting.ledger.job_store import PostgresJobs
from shared.config import hash_key, new_key
from shared.config.schema import Retention
from shared.contracts import DeadLetterReason, Door, Lane
from shared.signing import SIGNATURE, SIGNED_AT, SIGNED_BY, SIGNED_ID, signature, signing_secret
from tests.suites.ingress import CHAT, KEY, OTHER_TENANTS_KEY, an_end, chat_body
from tests.suites.served_ingress import Place, ServedIngress, serving_ingress, the_config, until


@pytest.fixture
async def served(place: Place) -> AsyncIterator[ServedIngress]:
    async with serving_ingress(place, replicas=2) as served:
        yield served


async def test_records_of_the_submit_topic_become_jobs(served: ServedIngress) -> None:
    line = orjson.dumps({"custom_id": "mt-81", "method": "POST", "url": "/v1/chat/completions", "body": CHAT})
    await served.publish(line, headers=[("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")])
    await served.publish(chat_body(stream=True), headers=[("sluice-lane", b"interactive")])
    await until(lambda: len({job.id for job in served.worker.jobs}) == 2, "both become jobs")
    first, second = sorted(served.worker.jobs, key=lambda job: job.custom_id or "", reverse=True)
    assert (first.custom_id, first.door, first.lane, first.streamed) == ("mt-81", Door.TOPIC, Lane.BATCH, False)
    assert (second.lane, second.streamed, second.tenant, second.caller) == (Lane.INTERACTIVE, True, "acme", "web")
    assert any("4bf92f3577b34da6a3ce929d0e0e4736" in trace for trace in served.worker.traceparents)
    async with served.client() as client:
        shown = (await client.get(f"/v1/jobs/{first.id}")).json()
    assert shown["custom_id"] == "mt-81"


async def test_bad_records_are_set_aside_with_the_reason_and_stop_none_behind_them(served: ServedIngress) -> None:
    await served.publish(
        b"\xff not json",
        None,
        b"[]",
        b'{"body": 5}',
        chat_body(messages=[]),
        chat_body(model="nobody"),
        orjson.dumps({"custom_id": "x", "url": "/v1/embeddings", "body": CHAT}),
        chat_body(user="x" * 900_000)[:890_000],
    )
    await served.publish(chat_body(), headers=[("sluice-lane", b"fast")])
    await served.publish(chat_body(user="last"), headers=[("odd", b"\xff\xfe")])
    await until(lambda: bool(served.worker.jobs), "the good one behind them becomes a job")
    assert {job.user for job in served.worker.jobs} == {"last"}
    # A letter may come twice: the replicas join one after the other, and a batch that loses its partition is repeated.
    await until(lambda: len({letter.offset for letter in served.letters}) == 9, "each bad one becomes a dead letter")
    by_offset = {letter.offset: letter for letter in served.letters}
    letters = [letter for _, letter in sorted(by_offset.items())]
    assert [letter.reason for letter in letters] == [
        DeadLetterReason.UNDECODABLE,
        DeadLetterReason.UNDECODABLE,
        DeadLetterReason.UNDECODABLE,
        DeadLetterReason.SCHEMA,
        DeadLetterReason.SCHEMA,
        DeadLetterReason.REFUSED,
        DeadLetterReason.SCHEMA,
        DeadLetterReason.UNDECODABLE,
        DeadLetterReason.SCHEMA,
    ]
    assert letters[0].value == b"\xff not json"
    assert letters[0].key == b"k"
    assert "`nobody`" in letters[5].message
    assert letters[5].code == "model_not_found"
    assert {letter.service for letter in letters} == {"ingress"}
    assert {letter.tenant for letter in letters} == {"acme"}


async def test_a_record_that_is_read_again_is_the_same_job(place: Place) -> None:
    async with serving_ingress(place) as served:
        unix_ms = int(time.time() * 1000)
        await served.publish(*(chat_body(user=str(number)) for number in range(20)), unix_ms=unix_ms)
        await until(lambda: len({job.id for job in served.worker.jobs}) == 20, "all become jobs")
        first = {job.user: job.id for job in served.worker.jobs}
    # Another group has committed nothing: as after a crash before the commit.
    elsewhere = Place(place.kafka_url, place.redis_url, place.postgres_url, place.namespace + "b", place.topic_prefix)
    async with serving_ingress(elsewhere) as served:
        await until(lambda: len(served.worker.jobs) >= 40, "all are submitted again")
        assert {job.user: job.id for job in served.worker.jobs} == first


async def test_a_record_that_is_read_again_long_after_its_jobs_end_becomes_no_job_again(place: Place) -> None:
    async with serving_ingress(place) as served:
        await served.publish(chat_body(user="old"))
        await until(lambda: bool(served.worker.jobs), "it becomes a job")
        await PostgresJobs(served.archive, Retention()).end([an_end(served.worker.jobs[0])], {})
        queued = len(served.worker.jobs)
    # Another group has committed nothing, and what Redis knew has expired.
    elsewhere = Place(place.kafka_url, place.redis_url, place.postgres_url, place.namespace + "b", place.topic_prefix)
    async with serving_ingress(elsewhere) as served:
        for user in ("new", "newer"):
            await served.publish(chat_body(user=user))
            await until(lambda: user in [job.user for job in served.worker.jobs], "the one behind it becomes a job")  # noqa: B023
        assert [job.user for job in served.worker.jobs].count("old") == queued


async def test_what_was_committed_is_not_submitted_again(place: Place) -> None:
    async with serving_ingress(place) as served:
        await served.publish(chat_body(user="before"))
        await until(lambda: bool(served.worker.jobs), "it becomes a job")
    async with serving_ingress(place) as served:
        await served.publish(chat_body(user="after"))
        await until(lambda: "after" in [job.user for job in served.worker.jobs], "the next becomes a job")
        assert [job.user for job in served.worker.jobs].count("before") == 1


async def test_a_request_that_is_published_again_under_its_id_is_one_job(served: ServedIngress) -> None:
    event = [("ce_specversion", b"1.0"), ("ce_source", b"/shop"), ("ce_id", b"42")]
    for headers in ([("sluice-idempotency-key", b"a")], event):
        for _ in range(3):
            await served.publish(chat_body(user=str(headers[-1])), headers=headers)
    await until(lambda: len({job.id for job in served.worker.jobs}) == 2, "both become jobs")
    await served.publish(chat_body(user="last"))
    await until(lambda: "last" in [job.user for job in served.worker.jobs], "the last becomes a job")
    assert len({job.id for job in served.worker.jobs}) == 3


async def test_another_request_under_the_same_id_is_set_aside(served: ServedIngress) -> None:
    key = [("sluice-idempotency-key", b"a")]
    await served.publish(chat_body(user="first"), headers=key)
    await until(lambda: bool(served.worker.jobs), "the first becomes a job")
    await served.publish(chat_body(user="second"), headers=key)
    await until(lambda: bool(served.letters), "the second becomes a dead letter")
    assert (served.letters[0].reason, served.letters[0].code) == (DeadLetterReason.REFUSED, "idempotency_key_reused")


async def test_a_topic_and_http_share_their_tenants_keys(served: ServedIngress) -> None:
    await served.publish(chat_body(user="once"), headers=[("sluice-idempotency-key", b"a")])
    await until(lambda: bool(served.worker.jobs), "it becomes a job")
    async with served.client() as client:
        again = await client.post("/v1/jobs", content=chat_body(user="once"), headers={"idempotency-key": "a"})
    assert again.json()["id"] == served.worker.jobs[0].id
    assert again.headers["idempotent-replayed"] == "true"


async def test_signed_records_are_jobs_of_whoever_signed_them_and_one_each(place: Place) -> None:
    signed_topic = "orders.v1"
    config = the_config(submit_topics={signed_topic: {"signed": True}})
    async with serving_ingress(place, config=config) as served:
        topic = signed_topic

        async def publish(body: bytes, record_id: str, key: str = KEY, **changed: bytes) -> None:
            at_ms, secret = int(time.time() * 1000), signing_secret(hash_key(key))
            made = signature(secret, at_ms=at_ms, topic=place.topic_prefix + topic, record_id=record_id, body=body)
            headers = {
                SIGNED_BY: key.split("_")[1].encode(),
                SIGNED_AT: str(at_ms).encode(),
                SIGNED_ID: record_id.encode(),
                SIGNATURE: made.encode(),
            } | {name.replace("_", "-"): text for name, text in changed.items()}
            for _ in range(2):  # whoever listens may publish it again
                await served.producer.send_and_wait(place.topic_prefix + topic, body, headers=list(headers.items()))

        await publish(chat_body(user="a"), "1")
        await publish(chat_body(user="b"), "1", OTHER_TENANTS_KEY)
        await publish(chat_body(user="c"), "2", new_key("web"))
        await publish(chat_body(user="d"), "3", sluice_signed_id=b"4")
        await publish(chat_body(user="e"), "5", sluice_signed_at=b"1700000000000")
        await served.producer.send_and_wait(place.topic_prefix + topic, chat_body(user="f"))
        await until(
            lambda: len({(letter.partition, letter.offset) for letter in served.letters}) == 7,
            "the others are set aside",
        )
        assert {(letter.code, letter.tenant) for letter in served.letters} == {("invalid_signature", None)}
        await until(lambda: len({job.id for job in served.worker.jobs}) == 2, "two jobs")
        assert {(job.tenant, job.caller, job.user) for job in served.worker.jobs} == {
            ("acme", "web", "a"),
            ("rival", "rival", "b"),
        }
