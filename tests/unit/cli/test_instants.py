"""Durations and moments, as people write and read them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.instants import ago, brief_duration, parse_duration, parse_since

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90s", timedelta(seconds=90)),
        ("1h30m", timedelta(minutes=90)),
        (" 7D ", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
        ("15", timedelta(seconds=15)),
        ("0.5h", timedelta(minutes=30)),
    ],
)
def test_a_duration_is_read(text: str, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize("text", ["", "soon", "5x", "-5m", "5m!", "m5", "1h 30m"])
def test_what_is_no_duration_is_told_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration: write 90s"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", NOW),
        ("2h", NOW - timedelta(hours=2)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T08:30:00+02:00", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read(text: str, moment: datetime) -> None:
    assert parse_since(text, NOW) == moment


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "9999999999w"])
def test_what_is_no_moment_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no moment: write|is too long ago"):
        parse_since(text, NOW)


@given(st.timedeltas(min_value=timedelta(seconds=10), max_value=timedelta(days=300)))
def test_a_duration_that_is_shown_is_read_back_within_a_part_in_ten(span: timedelta) -> None:
    assert abs(parse_duration(brief_duration(span)) - span) <= span / 10


def test_a_moment_of_a_clock_that_goes_before_ours_is_now() -> None:
    assert ago(NOW + timedelta(seconds=3), NOW) == "0.0s ago"
