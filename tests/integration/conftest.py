from collections.abc import Callable

import pytest

from tests.suites.served_ingress import Place


@pytest.fixture
def place(kafka_url: str, redis_url: str, database: str, topic_prefix: str, fresh_name: Callable[[str], str]) -> Place:
    """Topics, keys and tables for an ingress of the test's own."""
    return Place(kafka_url, redis_url, database, fresh_name("ns"), topic_prefix)
