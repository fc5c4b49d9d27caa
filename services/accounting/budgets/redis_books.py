"""The books of `ports.BudgetBooks` in Redis, on the Lua that ingress and accounting share."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.accounting.budget_ports import BookNames, Figure, Settled
from services.accounting.budgets.comparing import Book
from services.accounting.ports import AwayError
from shared.budgets import OPEN, READ, SETTLE, STATE, Held, held_entry, parse_held
from shared.job_log import Keyspace
from shared.money import Nanodollars

__all__ = ["RedisBooks"]

Word = str | int

_FIELDS: Final = 1000
"""Removed at once: others wait meanwhile."""


class RedisBooks:
    def __init__(self, redis: Redis, keyspace: Keyspace) -> None:
        self._redis = redis
        self._keyspace = keyspace
        self._state = redis.register_script(STATE)
        self._settle = redis.register_script(SETTLE)
        self._open = redis.register_script(OPEN)
        self._read = redis.register_script(READ)

    async def open_ones(self, tenants: Sequence[str]) -> frozenset[str]:
        pipeline = self._redis.pipeline(transaction=False)
        with _translated():
            for tenant in tenants:
                await self._state([self._keyspace.budgets(tenant)[0]], client=pipeline)
            answers = await pipeline.execute()
        return frozenset(tenant for tenant, is_open in zip(tenants, answers, strict=True) if is_open)

    async def settle(
        self, tenant: str, limits: Mapping[str, Nanodollars], settled: Settled, missing: Mapping[str, Held]
    ) -> bool:
        words: list[Word] = [len(limits), len(settled.figures), len(settled.jobs), *_limits(limits)]
        words += [*_figures(settled.figures), *settled.jobs, *_holds(missing)]
        with _translated():
            return bool(await self._settle(self._keyspace.budgets(tenant), words))

    async def open(
        self, tenant: str, limits: Mapping[str, Nanodollars], figures: Sequence[Figure], held: Mapping[str, Held]
    ) -> None:
        words: list[Word] = [len(limits), len(figures), *_limits(limits), *_figures(figures), *_holds(held)]
        with _translated():
            await self._open(self._keyspace.budgets(tenant), words)

    async def read(self, tenant: str) -> Book:
        """All of it, as it is in one moment. Raises AwayError."""
        with _translated():
            is_open, book, holds = await self._read(self._keyspace.budgets(tenant))
        fields = {name.decode(): int(value) for name, value in _pairs(book) if name != b"run"}
        return Book(
            is_open=bool(is_open),
            spent={name[2:]: value for name, value in fields.items() if name.startswith("s:")},
            revisions={name[2:]: value for name, value in fields.items() if name.startswith("r:")},
            held={name[2:]: value for name, value in fields.items() if name.startswith("h:")},
            holds={job.decode(): parse_held(entry) for job, entry in _pairs(holds)},
        )

    async def holds(self, tenant: str) -> Mapping[str, Held]:
        with _translated():
            found = cast("Mapping[bytes, bytes]", await self._redis.hgetall(self._keyspace.budgets(tenant)[1]))
        return {job.decode(): parse_held(entry) for job, entry in found.items()}

    async def names(self, tenant: str) -> BookNames:
        with _translated():
            fields = cast("list[bytes]", await self._redis.hkeys(self._keyspace.budgets(tenant)[0]))
        known = [field.decode() for field in fields]
        return BookNames(
            frozenset(name[2:] for name in known if name.startswith("k:")),
            frozenset(name[2:] for name in known if name.startswith("s:")),
        )

    async def forget(self, tenant: str, names: BookNames) -> None:
        fields = [f"k:{name}" for name in sorted(names.budgets)]
        fields += [f"{kind}:{name}" for name in sorted(names.windows) for kind in ("s", "r")]
        with _translated():
            for at in range(0, len(fields), _FIELDS):
                await self._redis.hdel(self._keyspace.budgets(tenant)[0], *fields[at : at + _FIELDS])

    async def announce(self) -> None:
        with _translated():
            await self._redis.spublish(self._keyspace.directory_channel, "changed")


def _pairs(flat: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return zip(flat[::2], flat[1::2], strict=True)


def _limits(limits: Mapping[str, Nanodollars]) -> Iterator[Word]:
    return (word for pair in limits.items() for word in pair)


def _figures(figures: Sequence[Figure]) -> Iterator[Word]:
    return (word for figure in figures for word in figure)


def _holds(held: Mapping[str, Held]) -> Iterator[Word]:
    return (word for job, entry in held.items() for word in (job, held_entry(entry)))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    # A connection that dies under redis-py shows itself as AttributeError or RuntimeError, too.
    except (RedisError, OSError, TimeoutError, AttributeError, RuntimeError) as error:
        raise AwayError(f"Redis: {error!r}") from error
