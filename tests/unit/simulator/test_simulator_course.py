import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.answer import compose
from simulator.course import Hung, Telling, course, disturbed, is_token, whole
from simulator.exchange import Ask, Broke, Ended, Finished, Garbled, Opened, Reported
from simulator.faults import Break, Cut, Garble, Stall
from simulator.script import Script

counts = st.integers(0, 30)


def moments(script, fault=None, usage=Telling.APART, **changes):
    request = Ask(**{"model": "m", "stream": True, "prompt": b"p", "prompt_tokens": 10, **changes})
    answer = compose(request, script, Random(1))
    return list(disturbed(course(answer, script, Random(2), usage=usage), fault))


def tokens(found):
    return sum(is_token(event) for _, event in found)


def test_an_answer_opens_speaks_finishes_reports_and_ends():
    found = [event for _, event in moments(Script(tokens=1))]
    assert [type(event) for event in found[:1] + found[2:]] == [Opened, Finished, Reported, Ended]


def test_usage_that_is_not_asked_for_is_not_reported():
    assert not any(isinstance(event, Reported) for _, event in moments(Script(), usage=Telling.NEVER))


def test_some_providers_report_usage_with_the_last_finish():
    finishes = [
        event for _, event in moments(Script(), usage=Telling.WITH_FINISH, choices=2) if isinstance(event, Finished)
    ]
    assert [finish.usage is None for finish in finishes] == [True, False]


def test_times_are_those_of_the_script():
    waits = [wait for wait, _ in moments(Script(tokens=3, opening=0.5, first_token=2, gap=0.1))]
    assert waits == [0.5, 2, 0.1, 0.1, 0, 0, 0]


def test_choices_speak_side_by_side():
    waits = [wait for wait, event in moments(Script(tokens=2, gap=0.1), choices=3) if is_token(event)]
    assert waits == [0, 0, 0, 0.1, 0, 0]


@given(counts, counts)
def test_a_cut_comes_after_exactly_that_many_tokens_or_not_at_all(length, after):
    found = moments(Script(tokens=length), Cut(cut_after=after))
    assert tokens(found) == min(length, after)
    assert isinstance(found[-1][1], Hung if after <= length else Ended)


@given(counts)
def test_a_cut_never_comes_before_the_preamble(length):
    found = moments(Script(tokens=length), Cut(cut_after=0))
    assert [type(event) for _, event in found] == [Opened, Hung]


@given(counts, counts)
def test_an_error_event_is_the_last_word(length, after):
    found = moments(Script(tokens=length), Break(error_after=after, error_status=529))
    assert tokens(found) == min(length, after)
    if after <= length:
        assert found[-1][1].refusal.status == 529


@given(counts, counts)
def test_a_malformed_event_is_one_more_and_loses_nothing(length, after):
    plain, found = moments(Script(tokens=length)), moments(Script(tokens=length), Garble(malformed_after=after))
    assert [event for _, event in found if not isinstance(event, Garbled)] == [event for _, event in plain]
    assert len(found) - len(plain) == (after <= length)


@given(counts, counts)
def test_a_stall_only_takes_time(length, after):
    plain = moments(Script(tokens=length, gap=0.1))
    found = moments(Script(tokens=length, gap=0.1), Stall(stall_after=after, stall_for=5))
    assert [event for _, event in found] == [event for _, event in plain]
    longer = sum(wait for wait, _ in found) - sum(wait for wait, _ in plain)
    assert longer == pytest.approx(5 if after <= length else 0)


def test_a_stall_without_an_end_is_a_silence():
    assert [wait for wait, _ in moments(Script(tokens=5), Stall(stall_after=2))].count(math.inf) == 1


def test_who_waits_for_the_whole_answer_waits_as_long_as_the_stream_takes():
    found = whole(moments(Script(tokens=11, opening=1, first_token=2, gap=0.5)))
    assert (found.seconds, found.tokens, found.interruption, found.silent) == (8, 11, None, False)


@pytest.mark.parametrize(
    ("fault", "kind"), [(Cut(cut_after=3), Hung), (Break(error_after=3), Broke), (Garble(malformed_after=3), Garbled)]
)
def test_the_whole_answer_knows_what_interrupts_it(fault, kind):
    assert isinstance(whole(moments(Script(tokens=9), fault)).interruption, kind)


def test_a_whole_answer_that_stalls_for_ever_never_comes():
    found = whole(moments(Script(tokens=9), Stall(stall_after=3)))
    assert found.silent


@pytest.mark.parametrize(("omit", "lacks"), [("finish", {Finished}), ("end", {Ended}), ("both", {Finished, Ended})])
def test_a_formality_may_be_left_out(omit, lacks):
    assert {Finished, Ended} - {type(event) for _, event in moments(Script(omit=omit))} == lacks
