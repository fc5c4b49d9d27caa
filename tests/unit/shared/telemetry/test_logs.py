"""What reaches the log, and what never does."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from shared.errors import OperatorError
from shared.telemetry import bound, configure_logging
from shared.telemetry.logs import without_secrets

Line = dict[str, object]


class Log:
    def __init__(self) -> None:
        self.stream = io.StringIO()

    def lines(self) -> list[Line]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    """Logging is one per process; pytest's own set-up is put back afterwards."""
    before = (logging.root.handlers[:], logging.root.level)
    captured = Log()
    configure_logging("tests", "info", captured.stream)
    yield captured
    structlog.reset_defaults()
    logging.root.handlers[:], level = before
    logging.root.setLevel(level)


def test_an_event_is_one_json_object_with_its_facts(log: Log) -> None:
    structlog.get_logger().info("attempt_failed", kind="timeout", attempt=2)

    (line,) = log.lines()
    assert line | {"at": "now"} == {
        "at": "now",
        "level": "info",
        "event": "attempt_failed",
        "service": "tests",
        "kind": "timeout",
        "attempt": 2,
    }


async def test_bound_ids_stand_on_every_line_of_tasks_begun_inside(log: Log) -> None:
    async def work() -> None:
        structlog.get_logger().info("inside")

    with bound(job_id="job_1"):
        task = asyncio.create_task(work())
    structlog.get_logger().info("outside")
    await task

    assert {line["event"]: line.get("job_id") for line in log.lines()} == {"inside": "job_1", "outside": None}


def test_lines_of_libraries_look_the_same_and_carry_the_ids(log: Log) -> None:
    with bound(job_id="job_1"):
        logging.getLogger("aiokafka.consumer").warning("lost %s", "node 1")

    (line,) = log.lines()
    assert (line["event"], line["logger"], line["job_id"]) == ("lost node 1", "aiokafka.consumer", "job_1")


def test_talkative_libraries_are_heard_from_warning_on(log: Log) -> None:
    logging.getLogger("aiokafka.consumer").info("chatter")
    logging.getLogger("uvicorn.error").info("chatter")
    logging.getLogger("somebody").info("news")

    assert [line["event"] for line in log.lines()] == ["news"]


def test_a_handler_that_a_library_brought_is_taken_away() -> None:
    own = io.StringIO()
    logger = logging.getLogger("faststream.access.kafka")
    logger.addHandler(logging.StreamHandler(own))
    captured = io.StringIO()
    before = logging.root.handlers[:]
    try:
        configure_logging("tests", "info", captured)
        logger.warning("hello")
    finally:
        logging.root.handlers[:] = before
        structlog.reset_defaults()

    assert own.getvalue() == ""
    assert "hello" in captured.getvalue()


def test_an_exception_is_told_with_its_traceback_on_the_same_line(log: Log) -> None:
    try:
        float("boom")
    except ValueError:
        structlog.get_logger().exception("fault")

    (line,) = log.lines()
    assert str(line["exception"]).endswith("ValueError: could not convert string to float: 'boom'")


def test_a_value_that_json_does_not_know_does_not_break_the_line(log: Log) -> None:
    structlog.get_logger().info("odd", value=object, raw=b"\xff", keys={1: "a"})

    assert log.lines()[0]["keys"] == {"1": "a"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("key slk_team-a_web_" + "a1" * 32, "key slk_team-a_web_***"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ("sk-proj-abcDEF123456789", "sk-***"),
        ("redis://user:pa$$w@host:6379/0", "redis://user:***@host:6379/0"),
        ("postgresql://:secret@host/db", "postgresql://:***@host/db"),
        ("https://host/v1beta?alt=sse&key=AIzaSy-1_2", "https://host/v1beta?alt=sse&key=***"),
        ("{'Api-Key': 'abc', 'accept': 'x'}", "{'Api-Key': '***', 'accept': 'x'}"),
        ('{"password":"a b","user":"me"}', '{"password":"***","user":"me"}'),
        ("http://host:8000/v1/a@b", "http://host:8000/v1/a@b"),
        ("the key: a secret: the password", "the key: a secret: the password"),
        ("task-list and risk-averse", "task-list and risk-averse"),
    ],
)
def test_whatever_looks_like_a_secret_is_replaced(text: str, expected: str) -> None:
    assert without_secrets(text) == expected


def test_a_secret_in_a_field_or_in_a_traceback_never_reaches_the_stream(log: Log) -> None:
    secret = "slk_web_" + "s3" * 32
    try:
        float(secret)
    except ValueError:
        structlog.get_logger().exception(
            "fault", api_key="hunter2", headers={"authorization": f"Bearer {secret}", "api-key": "hunter2"}
        )

    assert "s3s3" not in log.stream.getvalue()
    assert "hunter2" not in log.stream.getvalue()


def test_an_unknown_level_is_the_operators_to_mend() -> None:
    with pytest.raises(OperatorError, match="'loud' is none of debug, info, warning, error"):
        configure_logging("tests", "loud")
