"""How the shared book deals: in order, within the limits, evenly between workers, and in time with nobody's clock."""

from dataclasses import replace

import pytest

from services.router_worker.quota.book import FORGOTTEN_SECONDS, Ask, Book, Lease, Terms, deal
from services.router_worker.quota.flow import Limit, flow_of

NOW = 1_700_000_000.0
TEN = Terms(requests=flow_of(Limit(10, 1.0)))
PLACES = Terms(places=8)


def dealt(book: Book, ask: Ask, seconds: float = 0) -> tuple[Book, Lease]:
    return deal(book, ask, NOW + seconds)


def taking(worker: str, running: int, need: int, terms: Terms = PLACES) -> Ask:
    return Ask(worker, terms, running=running, need=need)


def test_after_a_quiet_time_a_burst_is_dealt_and_then_as_much_as_time_gives() -> None:
    book, first = dealt(Book(), Ask("a", TEN, interactive=(1,) * 20))
    book, second = dealt(book, Ask("b", TEN, interactive=(1,) * 20))
    assert (first.interactive, second.interactive) == (8, 0)
    _, third = dealt(book, Ask("b", TEN, interactive=(1,) * 20), 0.5)
    assert third.interactive == 5


def test_batch_jobs_leave_something_for_interactive_ones() -> None:
    book, batch = dealt(Book(), Ask("a", TEN, batch=(1,) * 20))
    _, interactive = dealt(book, Ask("b", TEN, interactive=(1,)))
    assert batch.batch < 7
    assert interactive.interactive == 1
    assert interactive.requests_begin + TEN.requests.unit <= 0.101  # type: ignore[union-attr]


def test_interactive_jobs_go_before_batch_jobs_of_the_same_worker() -> None:
    _, lease = dealt(Book(), Ask("a", TEN, interactive=(1,) * 20, batch=(1,) * 20))
    assert (lease.interactive, lease.batch) == (8, 0)


def test_tokens_that_were_not_used_are_dealt_again() -> None:
    terms = Terms(tokens=flow_of(Limit(60_000, 60)))
    book, _ = dealt(Book(), Ask("a", terms, batch=(400,) * 9))
    _, nothing = dealt(book, Ask("a", terms, batch=(400,)))
    _, again = dealt(book, Ask("a", terms, batch=(400,), refund=400))
    assert (nothing.batch, again.batch) == (0, 1)


def test_two_limits_are_kept_together_though_one_has_time_from_long_ago() -> None:
    terms = Terms(requests=flow_of(Limit(100, 1.0)), tokens=flow_of(Limit(60_000, 60)))
    book, lease = dealt(Book(), Ask("a", terms, interactive=(500,) * 5))
    assert lease.interactive == 2
    book, later = dealt(book, Ask("a", terms, interactive=(500,) * 5), 1)
    assert later.interactive == 2
    assert book.requests >= NOW + 1 - terms.requests.burst  # type: ignore[union-attr]


def test_spare_calls_are_dealt_only_where_there_is_plenty() -> None:
    book, idle = dealt(Book(), Ask("a", TEN, spare=5))
    _, busy = dealt(book, Ask("a", TEN, interactive=(1,), spare=5))
    assert 0 < idle.spare < 5
    assert (busy.interactive, busy.spare) == (1, 0)


def test_a_clock_that_was_set_back_costs_a_minute_at_most() -> None:
    book = Book(requests=NOW + 3600)
    book, lease = dealt(book, Ask("a", TEN, interactive=(1,)))
    assert lease.interactive == 0
    assert dealt(book, Ask("a", TEN, interactive=(1,)), 61)[1].interactive == 1


def test_places_are_divided_evenly_once_everybody_wants_some() -> None:
    book, first = dealt(Book(), taking("a", running=0, need=20))
    book, second = dealt(book, taking("b", running=0, need=20))
    assert (first.places, second.places) == (8, 0)
    book, first = dealt(book, taking("a", running=8, need=20))
    assert first.places == 8, "what runs goes on"
    book, first = dealt(book, taking("a", running=3, need=20))
    assert first.places == 4
    _, second = dealt(book, taking("b", running=0, need=20))
    assert second.places == 4


def test_a_worker_that_still_has_calls_of_a_former_configuration_is_no_second_worker() -> None:
    book, _ = dealt(Book(), taking("a~1", 2, 2))
    book, lease = dealt(book, taking("b~1", 0, 8))
    assert (lease.places, lease.workers) == (6, 2)
    book, _ = dealt(book, taking("a~2", 0, 6))
    book, lease = dealt(book, taking("b~1", 0, 8))
    assert (lease.places, lease.workers) == (4, 2), "half of them, not a third"
    _, lease = dealt(book, taking("a~2", 0, 6))
    assert lease.places == 2, "what its other half has open is of the same share"


def test_the_last_places_are_not_for_batch_jobs() -> None:
    _, lease = dealt(Book(), taking("a", running=0, need=20))
    assert (lease.places, lease.batch_places) == (8, 7)


def test_no_calls_are_dealt_for_which_there_is_no_place() -> None:
    terms = replace(TEN, places=2)
    _, lease = dealt(Book(), Ask("a", terms, interactive=(1,) * 5, need=5))
    assert lease.interactive == 2


def test_the_places_of_a_worker_that_is_not_heard_any_more_are_free() -> None:
    book, _ = dealt(Book(), taking("dead", running=8, need=8))
    assert dealt(book, taking("b", 0, 8), FORGOTTEN_SECONDS - 0.1)[1].places == 0
    assert dealt(book, taking("b", 0, 8), FORGOTTEN_SECONDS + 0.1)[1].places == 8


@pytest.mark.parametrize("skew", [-5e8, 0, 7e6])
def test_a_lease_does_not_say_what_time_it_is(skew: float) -> None:
    ask = Ask("a", TEN, interactive=(1,) * 3, batch=(1,) * 3)
    here, there = deal(Book(), ask, NOW)[1], deal(Book(), ask, NOW + skew)[1]
    assert here.requests_begin == pytest.approx(there.requests_begin, abs=1e-5)
    assert replace(here, requests_begin=0, requests_given=0) == replace(there, requests_begin=0, requests_given=0)
