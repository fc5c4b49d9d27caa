"""What becomes a job, and what is said to what does not."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingress.admission import Admitted, Facts, ModelFacts, Reason, Refused, admit
from services.ingress.admission.case import Case
from services.ingress.admission.guards import GUARDS
from shared.contracts import Endpoint, Interruption, Lane
from tests.suites.ingress import CALLER, CHAT, NOON, a_request, the_facts


def refusal_of(decision: Admitted | Refused) -> Refused:
    assert isinstance(decision, Refused)
    return decision


def test_an_ordinary_request_becomes_a_job_with_its_body_untouched() -> None:
    body = CHAT | {"reasoning_effort": "low", "unheard_of": {"deep": [1, 2.5, None]}}
    decision = admit(a_request(body=body), CALLER, the_facts(), NOON)
    assert isinstance(decision, Admitted)
    assert decision.job.body == body
    assert (decision.job.tenant, decision.job.caller) == ("acme", "web")
    assert decision.job.input_tokens == 12


def test_the_deadline_is_that_of_the_lane_unless_the_caller_names_a_nearer_one() -> None:
    plain = admit(a_request(), CALLER, the_facts(longest=timedelta(seconds=600)), NOON)
    hasty = admit(a_request(deadline=timedelta(seconds=5)), CALLER, the_facts(), NOON)
    assert isinstance(plain, Admitted)
    assert isinstance(hasty, Admitted)
    assert plain.job.deadline == NOON + timedelta(seconds=600)
    assert hasty.job.deadline == NOON + timedelta(seconds=5)


def test_the_deadline_of_a_scheduled_job_counts_from_when_it_may_begin() -> None:
    begins = NOON + timedelta(hours=2)
    decision = admit(a_request(not_before=begins), CALLER, the_facts(longest=timedelta(seconds=600)), NOON)
    assert isinstance(decision, Admitted)
    assert (decision.job.not_before, decision.job.deadline) == (begins, begins + timedelta(seconds=600))


def test_a_time_that_has_passed_schedules_nothing() -> None:
    decision = admit(a_request(not_before=NOON - timedelta(hours=2)), CALLER, the_facts(), NOON)
    assert isinstance(decision, Admitted)
    assert (decision.job.not_before, decision.job.deadline) == (None, NOON + timedelta(seconds=600))


def test_a_job_cannot_be_scheduled_further_ahead_than_is_allowed() -> None:
    facts = the_facts(schedule=timedelta(hours=1))
    refused = refusal_of(admit(a_request(not_before=NOON + timedelta(hours=2)), CALLER, facts, NOON))
    assert (refused.reason, refused.param) == (Reason.SCHEDULE_TOO_FAR, "not_before")
    assert "3600 s" in refused.message


def test_a_deadline_beyond_the_lanes_own_is_refused() -> None:
    refused = refusal_of(admit(a_request(deadline=timedelta(seconds=601)), CALLER, the_facts(), NOON))
    assert refused.reason is Reason.DEADLINE_TOO_FAR
    assert "601" in refused.message
    assert "600" in refused.message


def test_the_callers_word_on_interruption_goes_before_the_configurations() -> None:
    facts = the_facts(on_interrupt=Interruption.RESTART)
    silent = admit(a_request(), CALLER, facts, NOON)
    spoken = admit(a_request(on_interrupt=Interruption.FAIL), CALLER, facts, NOON)
    assert isinstance(silent, Admitted)
    assert isinstance(spoken, Admitted)
    assert (silent.job.on_interrupt, spoken.job.on_interrupt) == (Interruption.RESTART, Interruption.FAIL)


def test_an_unknown_model_and_one_that_is_not_allowed_are_refused_in_the_same_words() -> None:
    unknown = refusal_of(admit(a_request(model="secret"), CALLER, the_facts(model=None), NOON))
    limited = replace(CALLER, models=frozenset({"gpt-4o-mini"}))
    forbidden = refusal_of(admit(a_request(model="secret"), limited, the_facts(), NOON))
    assert unknown == forbidden
    assert unknown.reason is Reason.MODEL_NOT_FOUND


def test_a_lane_the_key_may_not_use_is_refused_by_name() -> None:
    limited = replace(CALLER, lanes=frozenset({Lane.BATCH}))
    refused = refusal_of(admit(a_request(lane=Lane.INTERACTIVE), limited, the_facts(), NOON))
    assert refused.reason is Reason.LANE_NOT_ALLOWED
    assert "'interactive'" in refused.message
    assert "batch" in refused.message


def test_too_much_input_is_refused_with_both_numbers() -> None:
    facts = the_facts(model=ModelFacts(context_window=8192), input_tokens=9001)
    refused = refusal_of(admit(a_request(), CALLER, facts, NOON))
    assert refused.reason is Reason.CONTEXT_LENGTH_EXCEEDED
    assert "8192" in refused.message
    assert "9001" in refused.message
    assert refused.param == "messages"


def test_input_that_was_not_counted_to_its_end_is_told_as_at_least_so_much() -> None:
    facts = the_facts(model=ModelFacts(context_window=8192), input_tokens=300_000, input_is_cut=True)
    refused = refusal_of(admit(a_request(), CALLER, facts, NOON))
    assert "resulted in 300000 tokens or more." in refused.message


def test_input_and_output_share_the_window() -> None:
    facts = the_facts(model=ModelFacts(context_window=100), input_tokens=60)
    assert isinstance(admit(a_request(output_tokens=40), CALLER, facts, NOON), Admitted)
    refused = refusal_of(admit(a_request(output_tokens=41), CALLER, facts, NOON))
    assert "you requested 101 tokens (60 in the messages, 41 in the completion)" in refused.message


def test_more_output_than_the_model_gives_is_refused() -> None:
    facts = the_facts(model=ModelFacts(max_output_tokens=4096))
    refused = refusal_of(admit(a_request(output_tokens=5000), CALLER, facts, NOON))
    assert refused.reason is Reason.OUTPUT_TOO_LONG


def test_what_is_unknown_of_a_model_refuses_nothing() -> None:
    facts = the_facts(model=ModelFacts(), input_tokens=10_000_000)
    assert isinstance(admit(a_request(output_tokens=10_000_000), CALLER, facts, NOON), Admitted)


@given(
    window=st.none() | st.integers(1, 200_000),
    limit=st.none() | st.integers(1, 200_000),
    tokens=st.integers(0, 300_000),
    output=st.none() | st.integers(1, 300_000),
)
def test_whatever_is_admitted_fits_and_whatever_fits_is_admitted(
    window: int | None, limit: int | None, tokens: int, output: int | None
) -> None:
    facts = the_facts(model=ModelFacts(window, limit), input_tokens=tokens)
    fits = (window is None or tokens + (output or 1) <= window) and (limit is None or (output or 0) <= limit)
    assert isinstance(admit(a_request(output_tokens=output), CALLER, facts, NOON), Admitted) is fits


@given(st.sets(st.sampled_from(["model", "lane", "deadline", "output", "context"]), min_size=1))
def test_the_first_guard_that_refuses_decides(faults: set[str]) -> None:
    request = a_request(
        deadline=timedelta(days=9) if "deadline" in faults else None,
        output_tokens=999_999 if "output" in faults else None,
    )
    caller = replace(CALLER, lanes=frozenset() if "lane" in faults else CALLER.lanes)
    facts: Facts = the_facts(
        model=None if "model" in faults else ModelFacts(1000, 500), input_tokens=2000 if "context" in faults else 1
    )
    expected = next(refused for guard in GUARDS if (refused := guard(Case(request, caller, facts, NOON))))
    assert admit(request, caller, facts, NOON) == expected


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.__name__)
def test_no_guard_refuses_an_ordinary_request(guard: object) -> None:
    assert guard(Case(a_request(), CALLER, the_facts(), NOON)) is None  # type: ignore[operator]


@pytest.mark.parametrize(
    ("embeds", "endpoint", "refused"),
    [
        (True, Endpoint.EMBEDDINGS, False),
        (True, Endpoint.CHAT, True),
        (False, Endpoint.EMBEDDINGS, True),
        (False, Endpoint.CHAT, False),
        (None, Endpoint.EMBEDDINGS, False),
        (None, Endpoint.CHAT, False),
    ],
)
def test_a_model_is_asked_for_what_it_does(embeds: bool | None, endpoint: Endpoint, refused: bool) -> None:
    decision = admit(a_request(endpoint=endpoint), CALLER, the_facts(model=ModelFacts(embeds=embeds)), NOON)
    assert isinstance(decision, Refused) is refused
    if isinstance(decision, Refused):
        assert (decision.reason, decision.param) == (Reason.WRONG_ENDPOINT, "model")
    else:
        assert decision.job.endpoint is endpoint


def test_many_texts_together_may_be_longer_than_the_window_of_one() -> None:
    facts = the_facts(model=ModelFacts(context_window=8192, embeds=True), input_tokens=100_000)
    assert isinstance(admit(a_request(endpoint=Endpoint.EMBEDDINGS), CALLER, facts, NOON), Admitted)
