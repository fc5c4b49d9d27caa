"""The book of budgets in Redis does what the one in memory does, and is nobody's after a restart."""

from collections.abc import Callable
from random import Random

import pytest
from redis.asyncio import Redis

from services.accounting.budget_ports import BookNames, Figure, Settled
from services.accounting.budgets.redis_books import RedisBooks
from services.ingress.adapters.redis_budgets import RedisBudgets
from services.ingress.ports import UnavailableError
from shared.budgets import EXTEND, BudgetRule, Held
from shared.clock import utc_now
from shared.contracts import Reserved
from shared.ids import JobId, new_job_id
from shared.job_log import Keyspace
from shared.money import Nanodollars
from tests.suites.budgets import Book, a_rule

RULES = [
    a_rule("month", limit=Nanodollars(100)),
    a_rule("day", per="day", limit=Nanodollars(60)),
    a_rule("team", limit=Nanodollars(9_000_000_000_000_000)),
]
LIMITS = {rule.name: rule.limit for rule in RULES}


@pytest.fixture
def keyspace(fresh_name: Callable[[str], str]) -> Keyspace:
    return Keyspace(fresh_name("ns"))


@pytest.fixture
def books(redis: Redis, keyspace: Keyspace) -> RedisBooks:
    return RedisBooks(redis, keyspace)


@pytest.fixture
def door(redis: Redis, keyspace: Keyspace) -> RedisBudgets:
    return RedisBudgets(redis, keyspace, utc_now)


def reserved(amount: int, rules: list[BudgetRule]) -> Reserved:
    return Reserved(nanodollars=amount, windows=tuple(f"w {rule.name}" for rule in rules))


async def test_whatever_is_held_and_settled_the_script_does_as_the_book_in_memory(
    books: RedisBooks, door: RedisBudgets
) -> None:
    chance, book = Random(3), Book()
    jobs = [new_job_id() for _ in range(12)]
    names = [rule.name for rule in RULES]
    await books.open("acme", LIMITS, (), {})
    book.settle(names, [], [], {})
    for step in range(300):
        if chance.random() < 0.6:
            rules = [rule for rule in RULES if chance.random() < 0.7] or RULES[:1]
            job, ask = chance.choice(jobs), reserved(chance.choice((0, 1, 7, 30, 101)), rules)
            asked = [(window, rule.name, rule.limit) for window, rule in zip(ask.windows, rules, strict=True)]
            expected = book.hold(job, ask.nanodollars, asked)
            found = await door.hold(job, ask, rules)
            assert [(each.rule, each.spent, each.held) for each in found] == [
                (rules[number], spent, held) for number, spent, held in expected or []
            ]
        else:
            figures = tuple(
                Figure(f"w {rule.name}", chance.choice((0, 10, 50, 8_999_999_999_999_999)), chance.randrange(step + 1))
                for rule in RULES
                if chance.random() < 0.5
            )
            dropped = tuple(chance.sample(jobs, 3))
            missing = {job: Held(5, 1, ("w month",)) for job in chance.sample(jobs, 1)}
            plain = {job: (entry.nanodollars, entry.windows) for job, entry in missing.items()}
            assert book.settle(names, figures, dropped, plain)
            assert await books.settle("acme", LIMITS, Settled(figures, dropped), missing)
        held = await books.holds("acme")
        assert {job: (entry.nanodollars, entry.windows) for job, entry in held.items()} == book.holds


async def test_nothing_is_held_of_a_book_that_is_not_open_or_does_not_know_the_budget(
    books: RedisBooks, door: RedisBudgets
) -> None:
    job, ask = new_job_id(), reserved(1, RULES[:1])
    with pytest.raises(UnavailableError):
        await door.hold(job, ask, RULES[:1])
    await books.open("acme", {"another": LIMITS["month"]}, (), {})
    with pytest.raises(UnavailableError):
        await door.hold(job, ask, RULES[:1])
    await books.settle("acme", {"month": LIMITS["month"]}, Settled(()), {})
    assert await door.hold(job, ask, RULES[:1]) == []


async def test_a_book_of_another_run_of_the_server_is_not_open(
    redis: Redis, keyspace: Keyspace, books: RedisBooks, door: RedisBudgets
) -> None:
    await books.open("acme", {"month": LIMITS["month"]}, (), {})
    assert await books.open_ones(["acme", "rival"]) == {"acme"}
    await redis.hset(keyspace.budgets("acme")[0], "run", "0" * 40)
    assert await books.open_ones(["acme"]) == frozenset()
    assert not await books.settle("acme", {"month": LIMITS["month"]}, Settled(()), {})
    with pytest.raises(UnavailableError):
        await door.hold(new_job_id(), reserved(1, RULES[:1]), RULES[:1])


async def test_opening_writes_the_book_anew_and_an_open_one_stays(books: RedisBooks, door: RedisBudgets) -> None:
    held = {"a": Held(40, 1, ("w month",)), "b": Held(30, 1, ("w month", "w day"))}
    await books.open("acme", LIMITS, (Figure("w month", 25, 1),), held)
    await books.open("acme", {"month": LIMITS["month"]}, (Figure("w month", 0, 9),), {})
    [short] = await door.hold(JobId("c"), reserved(6, RULES[:1]), RULES[:1])
    assert (short.spent, short.held) == (25, 70)
    assert await door.hold(JobId("c"), reserved(5, RULES[:1]), RULES[:1]) == []
    assert await books.holds("acme") == held | {"c": (await books.holds("acme"))["c"]}


async def test_a_budget_that_is_gone_has_room_for_the_jobs_that_hold_of_it(
    redis: Redis, keyspace: Keyspace, books: RedisBooks, door: RedisBudgets
) -> None:
    await books.open("acme", LIMITS, (Figure("w day", 50, 1),), {})
    await door.hold(JobId("a"), reserved(10, RULES[:2]), RULES[:2])
    assert await books.names("acme") == BookNames(frozenset(LIMITS), frozenset(["w day"]))
    extend = redis.register_script(EXTEND)
    assert await extend(keyspace.budgets("acme"), ["a", 20]) == b"short"
    await books.forget("acme", BookNames(frozenset(["day"]), frozenset(["w day"])))
    assert await books.names("acme") == BookNames(frozenset(["month", "team"]), frozenset())
    assert await extend(keyspace.budgets("acme"), ["a", 20]) == b"held"


async def test_what_is_dropped_leaves_nothing_behind(
    redis: Redis, keyspace: Keyspace, books: RedisBooks, door: RedisBudgets
) -> None:
    await books.open("acme", LIMITS, (), {})
    before = await redis.hgetall(keyspace.budgets("acme")[0])
    for amount in (0, 40):
        await door.hold(JobId("a"), reserved(amount, RULES[:2]), RULES[:2])
        await door.drop("acme", JobId("a"))
        await door.drop("acme", JobId("a"))
    left = await redis.hgetall(keyspace.budgets("acme")[0])
    assert {name: value for name, value in left.items() if value != b"0"} == before
