from random import Random

import pytest
from pydantic import ValidationError

from simulator.faults import Cut, Refuse, Stall
from simulator.script import Script, parse_overrides
from simulator.span import Span


def test_the_compact_form_names_fields_and_values():
    assert parse_overrides("tokens=50..200; gap=0.02 ;;cut_after=10") == {
        "tokens": "50..200",
        "gap": "0.02",
        "cut_after": "10",
    }


def test_a_script_may_be_json_too():
    assert parse_overrides('{"tokens": [1, 2], "usage": "never"}') == {"tokens": [1, 2], "usage": "never"}


@pytest.mark.parametrize("text", ["tokens", "tokens=5;gap", "{", "{]}"])
def test_what_is_neither_form_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the sentence differs by form
        parse_overrides(text)


@pytest.mark.parametrize("written", [[2, 5], "2..5", (2, 5)])
def test_a_range_is_written_as_a_list_or_with_two_dots(written):
    assert Script.model_validate({"tokens": written}).tokens == Span(2, 5)


@pytest.mark.parametrize("written", [-1, [5, 2], "a", "1..", [1, 2, 3], 1.5, float("inf"), 10**9])
def test_an_impossible_length_is_refused(written):
    with pytest.raises(ValidationError, match="tokens"):
        Script.model_validate({"tokens": written})


def test_a_fixed_span_needs_no_chance():
    assert Span(3, 3).draw(Random(0)) == 3


def test_a_flat_fault_is_the_only_fault():
    script = Script.model_validate({"tokens": 9, "status": 503, "retry_after": 2, "first": 3})
    assert script.faults == (Refuse(status=503, retry_after="2", first=3),)


def test_several_faults_are_listed():
    script = Script.model_validate({"faults": [{"cut_after": 3, "every": 5}, {"stall_after": 2, "stall_for": 0.5}]})
    assert script.faults == (Cut(cut_after=3, every=5), Stall(stall_after=2, stall_for=0.5))


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ({"first": 1}, "exactly one of status, stray, hang_up, cut_after"),
        ({"status": 500, "cut_after": 1}, "exactly one of"),
        ({"status": 200}, "greater than or equal to 400"),
        ({"status": 500, "first": 1, "every": 2}, "one of first, every and probability"),
        ({"cut_after": 1, "stall_for": 2}, "stall_for"),
        ({"status": 500, "faults": []}, "not both"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_with_the_reason(fault, complaint):
    with pytest.raises(ValidationError, match=complaint):
        Script.model_validate(fault)


def test_an_unknown_field_is_named():
    with pytest.raises(ValidationError, match="gapp"):
        Script.model_validate({"gapp": 1})


def test_a_revision_keeps_what_it_does_not_name():
    script = Script(tokens=9, gap=0.5).revised({"gap": "0"})
    assert (script.tokens, script.gap) == (Span(9, 9), Span(0, 0))


def test_a_flat_fault_in_a_revision_replaces_all_faults():
    script = Script(faults=(Cut(cut_after=3), Stall(stall_after=1))).revised({"status": "500"})
    assert script.faults == (Refuse(status=500),)


def test_a_revision_without_a_fault_keeps_the_faults():
    script = Script(faults=(Cut(cut_after=3),)).revised({"tokens": "4"})
    assert script.faults == (Cut(cut_after=3),)


def test_a_script_survives_being_written_and_read():
    script = Script.model_validate({"tokens": "2..5", "gap": 0.5, "faults": [{"status": 429, "first": 1}]})
    assert Script.model_validate_json(script.model_dump_json(exclude_defaults=True)) == script


def test_beside_tool_calls_nothing_is_said_unless_the_script_wants_it():
    assert Script().text_length(tools=2) == Span(0, 0)
    assert Script(tokens=5).text_length(tools=2) == Span(5, 5)
