"""What a job may cost is held before it is queued; a refusal takes nothing, and what is not queued is given back."""

from dataclasses import replace

import pytest

from services.ingress.admission import Caller, CompletionRequest, Limits, Reason, Refused, Repeat
from services.ingress.pacing import Pacing, RateTerms
from services.ingress.ports import Dependency, RecordTooLargeError, UnavailableError, UnconfirmedError
from services.ingress.reception import Fresh, Received
from services.ingress.spending import Spending
from shared.clock import utc_now
from shared.ids import new_job_id
from shared.telemetry import TraceContext
from tests.suites.budgets import DOLLAR, MemoryBook, a_rule, bound
from tests.suites.ingress import CALLER, CHAT, MemoryIngress, a_request, memory_ingress

MONTH = a_rule(dollars=1)
COST = 12 * 1000 + 1000 * 2000
"""Of a request for 1,000 tokens of output: what is held besides is for rounding."""


def asking(output_tokens: int = 1000, **fields: object) -> CompletionRequest:
    return a_request(output_tokens=output_tokens, **fields)


async def received(ingress: MemoryIngress, request: CompletionRequest, caller: Caller = CALLER) -> Received | Refused:
    return await ingress.doors.reception.receive(request, caller, new_job_id())


async def refused(ingress: MemoryIngress, request: CompletionRequest) -> Refused:
    found = await received(ingress, request)
    assert isinstance(found, Refused)
    return found


async def fresh(ingress: MemoryIngress, request: CompletionRequest) -> Fresh:
    found = await received(ingress, request)
    assert isinstance(found, Fresh)
    return found


def with_book(*rules: object, **terms: object) -> tuple[MemoryIngress, MemoryBook]:
    book = MemoryBook(*(rule.name for rule in rules))  # type: ignore[attr-defined]
    spending: Spending = bound(book, *rules, **terms)  # type: ignore[arg-type]
    return memory_ingress(spending=spending), book


async def test_what_a_job_may_cost_is_held_in_every_window_that_binds_it() -> None:
    day, other = a_rule("day", per="day"), a_rule("team", team="red")
    ingress, book = with_book(MONTH, day, other)
    found = await fresh(ingress, asking())
    reserved = found.job.reserved
    assert reserved is not None
    now = utc_now()
    assert reserved.windows == (f"{now:%Y-%m} month", f"{now:%Y-%m-%d} day")
    assert COST <= reserved.nanodollars <= COST + 10
    assert [book.book.held(window) for window in reserved.windows] == [reserved.nanodollars] * 2


async def test_who_has_no_hard_budget_needs_no_book() -> None:
    ingress, book = with_book(a_rule(hard=False), a_rule("rival", tenant="rival"))
    book.away = True
    assert (await fresh(ingress, asking())).job.reserved is None


async def test_a_window_that_has_not_enough_left_refuses_and_nothing_is_held() -> None:
    day = a_rule("day", per="day", dollars=5)
    ingress, book = with_book(day, MONTH)
    book.book.spent[MONTH.window(utc_now())] = DOLLAR - COST + 1
    found = await refused(ingress, asking())
    assert (found.reason, found.retry_after) == (Reason.INSUFFICIENT_QUOTA, None)
    assert "The budget 'month' of $1.00 has not enough left" in found.message
    assert "begins anew at" in found.message
    assert not book.book.holds


async def test_what_jobs_hold_may_come_back_soon() -> None:
    ingress, book = with_book(MONTH)
    book.book.holds["another"] = (DOLLAR - COST + 1, (MONTH.window(utc_now()),))
    found = await refused(ingress, asking())
    assert found.reason is Reason.INSUFFICIENT_QUOTA
    assert found.retry_after is not None
    assert "is held by jobs under way" in found.message


async def test_what_can_never_fit_is_refused_without_asking() -> None:
    ingress, book = with_book(a_rule(dollars=0.001))
    book.away = True
    assert (await refused(ingress, asking())).reason is Reason.INSUFFICIENT_QUOTA


async def test_without_a_bound_of_its_own_a_request_is_held_for_the_models() -> None:
    ingress, _ = with_book(MONTH)
    one = (await fresh(ingress, a_request())).job.reserved
    three = (await fresh(ingress, a_request(body=CHAT | {"n": 3}))).job.reserved
    assert one is not None
    assert three is not None
    assert one.nanodollars // 1000 == 12 + 2 * 4096
    assert three.nanodollars // 1000 == 12 + 3 * 2 * 4096


async def test_a_model_that_nobody_has_a_price_for_is_refused_or_not_as_the_configuration_says() -> None:
    mini = asking(model="gpt-4o-mini")
    ingress, _ = with_book(MONTH)
    assert (await refused(ingress, mini)).reason is Reason.PRICE_UNKNOWN
    ingress, book = with_book(MONTH, when_unpriced="admit")
    assert (await fresh(ingress, mini)).job.reserved is None
    assert not book.book.holds


@pytest.mark.parametrize("how", ["away", "closed", "unknown"])
async def test_while_nobody_knows_what_was_spent_requests_wait_or_pass_as_the_configuration_says(how: str) -> None:
    for terms in ({}, {"when_unknown": "admit"}):
        ingress, book = with_book(MONTH, **terms)
        book.away = how == "away"
        book.book.is_open = how != "closed"
        book.book.known = set() if how == "unknown" else {"month"}
        if terms:
            assert (await fresh(ingress, asking())).job.reserved is None
        else:
            with pytest.raises(UnavailableError):
                await received(ingress, asking())


@pytest.mark.parametrize("failure", [UnavailableError(Dependency.KAFKA, "away"), RecordTooLargeError("too large")])
async def test_what_is_surely_not_queued_is_given_back(failure: Exception) -> None:
    ingress, book = with_book(MONTH)
    found = await fresh(ingress, asking())
    ingress.queue.failure = failure
    with pytest.raises(type(failure)):
        await ingress.doors.reception.queue(found, TraceContext.new())
    assert not book.book.holds


async def test_what_may_be_queued_keeps_what_it_holds() -> None:
    ingress, book = with_book(MONTH)
    found = await fresh(ingress, asking())
    ingress.queue.failure = UnconfirmedError()
    with pytest.raises(UnconfirmedError):
        await ingress.doors.reception.queue(found, TraceContext.new())
    assert list(book.book.holds) == [found.job.id]


async def test_a_request_that_is_sent_again_holds_once() -> None:
    ingress, book = with_book(MONTH)
    request = asking(repeat=Repeat("k", "this"))
    first = await fresh(ingress, request)
    again = await fresh(ingress, request)  # the first was never queued
    assert first.job.id == again.job.id
    assert list(book.book.holds) == [first.job.id]


async def test_a_key_that_cannot_be_reserved_holds_nothing() -> None:
    ingress, book = with_book(MONTH)

    async def away(*_: object, **__: object) -> None:
        raise UnavailableError(Dependency.REDIS, "gone between two calls")

    ingress.reservations.reserve = away  # type: ignore[assignment, method-assign]
    with pytest.raises(UnavailableError):
        await received(ingress, asking(repeat=Repeat("k", "this")))
    assert not book.book.holds


async def test_a_team_is_bound_by_its_own_budget() -> None:
    ingress, _ = with_book(a_rule("team", team="red", dollars=0.001))
    assert isinstance(await received(ingress, asking()), Fresh)
    assert isinstance(await received(ingress, asking(), replace(CALLER, team="red")), Refused)


async def test_what_the_limits_refuse_takes_no_money() -> None:
    ingress, book = with_book(MONTH)
    terms = RateTerms({"gpt-4o": Limits(requests_per_minute=1)}, batch_waits=True, open_without_redis=False)
    ingress.submissions._takings = replace(ingress.submissions._takings, pacing=Pacing(ingress.rates, terms, utc_now))
    first = await fresh(ingress, asking())
    assert (await refused(ingress, asking())).reason is Reason.ABOVE_RATE
    ingress.rates.away = True
    with pytest.raises(UnavailableError):
        await received(ingress, asking())
    assert list(book.book.holds) == [first.job.id]


async def test_a_label_of_the_key_binds_as_one_of_the_request_does() -> None:
    ingress, _ = with_book(a_rule("tag", tag=("project", "apollo"), dollars=0.001))
    assert isinstance(await received(ingress, asking(tags={"project": "gemini"})), Fresh)
    labelled = replace(CALLER, tags={"project": "apollo"})
    assert isinstance(await received(ingress, asking(tags={"project": "gemini"}), labelled), Refused)


@pytest.mark.parametrize(
    ("model", "output_tokens", "bound"), [("org/model", None, 500), ("org/model", 9, None), ("gpt-4o", None, None)]
)
async def test_an_answer_that_nobody_else_bounds_is_kept_to_what_is_held(
    model: str, output_tokens: int | None, bound: int | None
) -> None:
    ingress, _ = with_book(MONTH, output_tokens=500)
    body = {**CHAT, "model": model}
    found = await fresh(ingress, a_request(model=model, body=body, output_tokens=output_tokens))
    assert found.job.body.get("max_completion_tokens") == bound
    assert body == {**CHAT, "model": model}
