"""`sluice dead-letters` on the real Kafka, with an ingress that sets records aside."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord

from cli.exit_codes import ExitCode
from shared.topics import SUBMIT
from tests.suites.command_line import Sluice
from tests.suites.ingress import chat_body
from tests.suites.served_ingress import Place, ServedIngress, serving_ingress, until

WEIRD = [("sluice-feature", b"search"), ("odd", b"\xff\xfe")]


@pytest.fixture
async def served(place: Place) -> AsyncIterator[ServedIngress]:
    async with serving_ingress(place) as served:
        yield served


@pytest.fixture
def letters(served: ServedIngress, tmp_path: Path) -> Sluice:
    variables = {"KAFKA_URL": served.place.kafka_url, "SLUICE_TOPIC_PREFIX": served.place.topic_prefix}
    return Sluice(tmp_path, variables)


async def buried(served: ServedIngress, count: int) -> list[str]:
    """Their origins, in the order in which their records were published."""
    await until(lambda: len(served.letters) >= count, f"{count} dead letters")
    return [letter.origin for letter in sorted(served.letters, key=lambda letter: letter.offset)]


async def records(place: Place, count: int) -> list[ConsumerRecord]:
    """The first so many of the submit topic, by their offset in the one partition that all of them are in."""
    consumer = AIOKafkaConsumer(
        SUBMIT.at(place.topic_prefix), bootstrap_servers=place.kafka_url, auto_offset_reset="earliest"
    )
    async with consumer:
        return [await consumer.getone() for _ in range(count)]


async def test_a_replayed_record_is_the_original_and_says_how_often(served: ServedIngress, letters: Sluice) -> None:
    await served.publish(b"not json \xff", headers=WEIRD)
    (first,) = await buried(served, 1)

    replayed = await letters("dead-letters", "replay", first, "--json")
    assert (replayed.code, replayed.lines[0]["id"], replayed.lines[0]["status"]) == (0, first, "replayed")
    await buried(served, 2)
    (again,) = (await letters("dead-letters", "list", "--json")).json
    assert (again["id"], again["replays"], again["reason"]) == (replayed.lines[0]["record"], 1, "undecodable")
    await letters("dead-letters", "replay", "--all")

    original, once, twice = await records(served.place, 3)
    for copy, times, of in ((once, b"1", first), (twice, b"2", again["id"])):
        assert (copy.key, copy.value) == (original.key, original.value)
        assert list(copy.headers) == [*WEIRD, ("sluice-replayed", times), ("sluice-replay-of", of.encode())]


async def test_a_record_is_shown_with_why_it_is_here_and_as_it_came(served: ServedIngress, letters: Sluice) -> None:
    await served.publish(chat_body(model="nobody"))
    (letter,) = await buried(served, 1)

    record = await letters("dead-letters", "show", letter, "--value")
    assert record.out.encode() == chat_body(model="nobody")
    shown = await letters("dead-letters", "show", letter)
    assert "refused (model_not_found)" in shown.out


async def test_a_record_too_large_for_a_letter_is_put_back_from_its_topic(
    served: ServedIngress, letters: Sluice
) -> None:
    large = b"{" + b"x" * 899_000
    await served.publish(large)
    (letter,) = await buried(served, 1)
    assert served.letters[0].value == b""

    assert (await letters("dead-letters", "replay", letter)).code == 0
    assert [record.value for record in await records(served.place, 2)] == [large, large]


async def test_letters_are_dropped_by_id_or_all_of_a_kind_and_only_on_purpose(
    served: ServedIngress, letters: Sluice
) -> None:
    await served.publish(b"one", b"two", chat_body(model="nobody"))
    one, two, refused = await buried(served, 3)

    dropped = await letters("dead-letters", "drop", one, "x/0/1")
    assert dropped.code == ExitCode.SOME_FAILED
    assert "There is no dead letter 'x/0/1'" in dropped.err
    unsure = await letters("dead-letters", "drop", "--all")
    assert unsure.code == ExitCode.USAGE
    assert "--all drops 2 letters: say --yes" in unsure.err
    await letters("dead-letters", "drop", "--all", "--reason", "undecodable", "--yes")
    assert [each["id"] for each in (await letters("dead-letters", "list", "--json")).json] == [refused]
    gone = await letters("dead-letters", "replay", two)
    assert gone.code == ExitCode.SOME_FAILED
    assert f"{two} was dropped" in gone.err
