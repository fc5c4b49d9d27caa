"""Which dead letters are open: those with no decision behind them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.letters.open_letters import Choice, OpenLetters, Place, replays_of
from cli.letters.original import Original
from cli.letters.showing import record_told, show_record
from shared.contracts import DECISION_HEADER, REPLAYED_HEADER, DeadLetter, DeadLetterReason, Decision

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def a_letter(offset: int = 17, **others: object) -> DeadLetter:
    letter = DeadLetter(
        topic="sluice.submit.v1",
        partition=3,
        offset=offset,
        key=b"k",
        value=b"not json",
        reason=DeadLetterReason.UNDECODABLE,
        message="We could not parse this.",
        tenant="acme",
        service="ingress",
        failed_at=NOW - timedelta(minutes=offset),
    )
    return letter.model_copy(update=others)


def taken(*records: tuple[int, Decision | None]) -> OpenLetters:
    """Each record is a letter from that offset, or a decision about it."""
    found = OpenLetters()
    for at, (offset, decision) in enumerate(records):
        letter = a_letter(offset)
        if decision is None:
            found.take(Place(0, at), letter.origin.encode(), letter.to_bytes(), (), NOW)
        else:
            found.take(Place(0, at), letter.origin.encode(), None, [(DECISION_HEADER, decision.encode())], NOW)
    return found


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([None, Decision.REPLAYED, Decision.DROPPED]))))
def test_a_letter_is_open_while_no_decision_stands_behind_it(records: list[tuple[int, Decision | None]]) -> None:
    found = taken(*records)

    last = dict(records)
    assert {entry.id for entry in found.entries.values()} == {
        a_letter(offset).origin for offset, decision in last.items() if decision is None
    }
    assert {letter: decided.decision for letter, decided in found.decided.items()} == {
        a_letter(offset).origin: decision.value for offset, decision in last.items() if decision is not None
    }


def test_a_record_that_was_set_aside_again_is_one_letter_counted_twice() -> None:
    found = taken((1, None), (2, None), (1, None))

    assert [(entry.id, entry.times) for entry in found.chosen(Choice())] == [
        ("sluice.submit.v1/3/1", 2),
        ("sluice.submit.v1/3/2", 1),
    ]


def test_a_letter_that_comes_back_after_a_decision_is_open_and_counted_anew() -> None:
    (entry,) = taken((1, None), (1, Decision.DROPPED), (1, None)).entries.values()

    assert (entry.times, entry.place) == (1, Place(0, 2))


def test_a_record_without_a_value_closes_a_letter_whoever_wrote_it() -> None:
    found = taken((1, None))
    found.take(Place(0, 9), a_letter(1).origin.encode(), None, (), NOW)

    assert found.entries == {}
    assert found.decided[a_letter(1).origin].decision == "removed"


def test_what_is_no_letter_is_counted_and_left_out() -> None:
    found = OpenLetters()
    found.take(Place(0, 0), None, b"{}", (), NOW)

    assert (found.unreadable, found.entries) == (1, {})


@pytest.mark.parametrize(
    ("choice", "offsets"),
    [
        (Choice(), [1, 2]),
        (Choice(tenant="acme"), [1, 2]),
        (Choice(topic="sluice.usage.v1"), []),
        (Choice(reason=DeadLetterReason.REFUSED), []),
        (Choice(reason=DeadLetterReason.UNDECODABLE, topic="sluice.submit.v1", tenant="acme"), [1, 2]),
    ],
)
def test_some_are_chosen_by_where_from_why_and_whose(choice: Choice, offsets: list[int]) -> None:
    chosen = taken((2, None), (1, None)).chosen(choice)

    assert [entry.id for entry in chosen] == [a_letter(offset).origin for offset in offsets]


@pytest.mark.parametrize(("header", "count"), [("3", 3), ("often", 0), ("-1", 0)])
def test_how_often_a_record_was_put_back_stands_in_its_header(header: str, count: int) -> None:
    assert replays_of(a_letter()) == 0
    assert replays_of(a_letter(headers=((REPLAYED_HEADER, header),))) == count


def test_a_record_that_is_no_text_is_told_in_base64() -> None:
    (entry,) = taken((1, None)).entries.values()

    told = record_told(entry, Original(b"key", b"\xff\xfe", [("h", b"v")]))
    assert (told["key"], told["value_base64"], told["headers"]) == ("key", "//4=", {"h": "v"})
    assert "value" not in told


def test_a_record_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    (entry,) = taken((1, None)).entries.values()

    show_record(replace(entry, message="\x07ring"), Original(b"\x07", b"\x1b]0;owned\x07", [("h", b"\x1b[2J")]), NOW)
    assert not {"\x1b", "\x07"} & set(capsys.readouterr().out)
