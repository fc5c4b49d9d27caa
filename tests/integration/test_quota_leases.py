"""The book in Redis deals as the pure one does, whoever asks for what."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from redis.asyncio import Redis

from services.router_worker.fleet.leases import RedisLeases
from services.router_worker.governing.ports import Dealt
from services.router_worker.ports import Unreachable
from services.router_worker.quota.book import Ask, Book, Lease, Terms, deal
from services.router_worker.quota.flow import Limit, flow_of
from services.router_worker.quota.lesson import Lesson, Noted
from shared.job_log import Keyspace
from shared.redis import redis_client

TERMS = [
    Terms(requests=flow_of(Limit(200, 1))),
    Terms(requests=flow_of(Limit(900, 60))),
    Terms(tokens=flow_of(Limit(400_000, 60)), places=5),
    Terms(places=16),
    Terms(requests=flow_of(Limit(6000, 60, 2)), tokens=flow_of(Limit(600_000, 60, 30)), places=40),
]


@pytest.fixture
def leases(redis: Redis, fresh_name: Callable[[str], str]) -> RedisLeases:
    return RedisLeases(redis, Keyspace(fresh_name("ns")))


def an_ask(chance: Random, terms: Terms) -> Ask:
    calls = [chance.randrange(1, 3000) for _ in range(chance.choice((0, 1, 3, 12)))]
    cut = chance.randrange(len(calls) + 1)
    running = chance.randrange(4)
    return Ask(
        worker=f"w{chance.randrange(3)}~{chance.choice((1, 1, 2))}",
        terms=terms,
        interactive=tuple(calls[:cut]),
        batch=tuple(calls[cut:]),
        spare=chance.choice((0, 0, 5)),
        spare_tokens=300,
        refund=chance.choice((0, 0, 700, -700)),
        running=running,
        stock=chance.randrange(2),
        need=running + len(calls),
    )


def alike(lease: Lease, other: Lease) -> bool:
    """To ten microseconds, where it is about times."""
    times = [
        (each.requests_begin, each.tokens_begin, each.requests_given, each.tokens_given) for each in (lease, other)
    ]
    counts = [
        (each.interactive, each.batch, each.spare, each.places, each.batch_places, each.workers)
        for each in (lease, other)
    ]
    return counts[0] == counts[1] and times[0] == pytest.approx(times[1], abs=1e-5)


def as_kept(book: Book, dealt: Dealt) -> Book:
    """With the times that Redis kept: a rounding at each ask would take the two books apart in the course of many."""
    now, lease = dealt.now, dealt.lease
    return replace(book, requests=now + lease.requests_given, tokens=now + lease.tokens_given)


@pytest.mark.parametrize("terms", TERMS)
async def test_the_script_deals_as_the_book_does(leases: RedisLeases, terms: Terms) -> None:
    chance, book = Random(7), Book()
    for _ in range(150):
        ask = an_ask(chance, terms)
        dealt = await leases.deal("p/m", ask, Noted())
        # The book in Redis is kept to the microsecond: what falls on a limit may fall on either side of it.
        books = [deal(book, ask, dealt.now + rounding) for rounding in (0, 2e-6, -2e-6)]
        same = [each for each, lease in books if alike(dealt.lease, lease)]
        assert same, f"{ask}: {dealt.lease} instead of {books[0][1]}"
        book = as_kept(same[0], dealt)


async def test_a_lesson_is_told_to_everybody_and_the_first_to_draw_it_wins(leases: RedisLeases) -> None:
    ask = Ask("w1", Terms())
    drawn, late = Lesson(5.0, 0.8, 6.0, {"w1": 3.5}), Lesson(5.1, 0.8, 6.0)

    first = await leases.deal("p/m", ask, Noted(), drawn)
    second = await leases.deal("p/m", replace(ask, worker="w2"), Noted(), late)

    assert first.noted == second.noted == Noted(drawn, 1)
    third = await leases.deal("p/m", ask, second.noted, late)
    assert third.noted == Noted(late, 2)


async def test_accounts_have_books_of_their_own(leases: RedisLeases) -> None:
    ask = Ask("w1", Terms(requests=flow_of(Limit(60, 60))), batch=(1, 1, 1))

    one, other = await leases.deal("p/one", ask, Noted()), await leases.deal("p/other", ask, Noted())

    assert one.lease.batch == other.lease.batch == 1


async def test_without_redis_nobody_is_told_anything_false() -> None:
    nobody = redis_client("redis://127.0.0.1:1/0", call_seconds=0.2)
    with pytest.raises(Unreachable):
        await RedisLeases(nobody, Keyspace("none")).deal("p/m", Ask("w1", TERMS[0]), Noted())
    await nobody.aclose(close_connection_pool=True)
