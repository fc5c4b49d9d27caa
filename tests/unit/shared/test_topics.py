"""The table of topics keeps its own rules."""

import re

from shared.contracts import Lane
from shared.topics import JOBS, SUBMIT, TOPICS, creation_config, with_submit_topics


def test_every_name_says_its_version_and_is_one_that_kafka_takes() -> None:
    for topic in TOPICS:
        assert re.fullmatch(r"sluice\.[a-z0-9.-]+\.v\d+", topic.name)


def test_no_two_topics_share_a_name() -> None:
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)


def test_every_lane_has_its_topic() -> None:
    assert set(JOBS) == set(Lane)
    assert set(JOBS.values()) <= set(TOPICS)


def test_a_prefix_keeps_several_stacks_apart() -> None:
    topic = TOPICS[0]

    assert (topic.at(""), topic.at("test.")) == (topic.name, f"test.{topic.name}")


def test_settings_are_in_kafkas_own_units() -> None:
    for topic in TOPICS:
        assert creation_config(topic)["retention.ms"] == str(topic.retention.days * 86_400_000)


def test_topics_that_a_configuration_binds_are_made_as_the_usual_one() -> None:
    *table, own = with_submit_topics([SUBMIT.name, "a.requests"])
    assert tuple(table) == TOPICS == with_submit_topics([])
    assert (own.name, own.partitions, own.contract) == ("a.requests", SUBMIT.partitions, SUBMIT.contract)
