"""Whose job goes next, while there are more jobs than slots? Pure: deficit round robin over tenants.

Theory (Shreedhar and Varghese, 1995). Tenants that wait stand in a circle, each with a credit in tokens. Whoever's
turn it is goes on as long as its credit covers the cost of its next job. Once nobody's does, a round is over and
everybody is granted tokens by weight, as many grants for each as the first of them needs to go on. So of two tenants
that both wait all the time, neither gets ahead of what its weight says by more than a grant and its largest job,
whatever the size and the number of their jobs; a tenant alone gets everything.

Somebody may be let go before its turn; it pays all the same, and its turn then comes later.

Some kinds of items may be held back for a while. Then a tenant's other items go, and a tenant that has no others has no
turn. What was held back keeps its place before all that came later.

Rules for editing: every tenant that has something to go gets the same number of grants; credit is not saved up while
nothing can go; a tenant in the circle has at least one item that still waits.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

__all__ = ["DeficitRoundRobin", "Waiting"]

_GRANT: Final = 256
"""Tokens a round and unit of weight. Far smaller than most jobs, so that a heavy tenant's jobs do not go in a row."""


class Waiting(Protocol):
    @property
    def tenant(self) -> str: ...

    @property
    def cost(self) -> int:
        """Estimated tokens."""
        ...

    @property
    def kind(self) -> str:
        """Items of one kind are held back together."""
        ...

    @property
    def waits(self) -> bool:
        """False once it has gone by another way."""
        ...


Item = TypeVar("Item", bound=Waiting)


@dataclass(slots=True)
class _Tenant(Generic[Item]):
    grant: int
    credit: int = 0
    waiting: deque[Item] = field(default_factory=deque)
    aside: dict[str, deque[Item]] = field(default_factory=dict)
    """What was held back when its turn came, by kind."""

    @property
    def count(self) -> int:
        return len(self.waiting) + sum(map(len, self.aside.values()))

    @property
    def grants(self) -> float:
        """Its credit, in grants; less than none when it owes some."""
        return self.credit / self.grant

    def grants_needed(self, first: Item) -> int:
        return -(-(_price(first) - self.credit) // self.grant)

    def line(self, held_back: Collection[str]) -> deque[Item] | None:
        """The line whose first goes next; None when all that waits is held back."""
        for kind, line in list(self.aside.items()):
            _drop_gone(line)
            if not line:
                del self.aside[kind]
            elif kind not in held_back:
                return line
        _drop_gone(self.waiting)
        while self.waiting and self.waiting[0].kind in held_back:
            first = self.waiting.popleft()
            self.aside.setdefault(first.kind, deque()).append(first)
            _drop_gone(self.waiting)
        return self.waiting or None


def _price(item: Waiting) -> int:
    """What costs nothing could go on for ever."""
    return max(1, item.cost)


def _drop_gone(line: deque[Item]) -> None:
    while line and not line[0].waits:
        line.popleft()


class DeficitRoundRobin(Generic[Item]):
    """Waiting items by tenant; nothing is dropped, and whoever puts them in minds how many there are."""

    def __init__(self, weights: Mapping[str, int]) -> None:
        """A tenant that is not named has the weight 1. They may change: what comes then counts by the new ones."""
        self._weights = weights
        self._circle: OrderedDict[str, _Tenant[Item]] = OrderedDict()

    def enqueue(self, item: Item) -> None:
        """Behind the tenant's other items."""
        grant = _GRANT * self._weights.get(item.tenant, 1)
        tenant = self._circle.get(item.tenant)
        if tenant is None:
            tenant = self._circle[item.tenant] = _Tenant(grant)
        tenant.grant = grant
        tenant.waiting.append(item)

    def next(self, held_back: Collection[str] = ()) -> Item | None:
        """The item whose turn it is, no longer waiting. None only when nothing waits that may go."""
        while (name := self._affordable(held_back)) is None:
            if not self._begin_round(held_back):
                return None
        return self._serve(name, held_back)

    def next_before_its_turn(self, may_go: Callable[[str, int], bool], held_back: Collection[str] = ()) -> Item | None:
        """The item of a tenant that may go at once, which its name and the number of its items decide.

        Of several, whoever owes least. None when no such tenant waits.
        """
        eligible = [
            name
            for name, tenant in self._circle.items()
            if may_go(name, tenant.count) and tenant.line(held_back) is not None
        ]
        if not eligible:
            return None
        return self._serve(max(eligible, key=lambda name: self._circle[name].grants), held_back)

    def prune(self, tenant: str) -> None:
        """Must follow when an item of this tenant has gone by another way."""
        if tenant in self._circle:
            self._advance(tenant)

    def sweep(self) -> None:
        """Must follow when many have."""
        for name, tenant in list(self._circle.items()):
            tenant.waiting = deque(item for item in tenant.waiting if item.waits)
            tenant.aside = {kind: deque(item for item in line if item.waits) for kind, line in tenant.aside.items()}
            self._advance(name)

    def standing(self) -> Mapping[str, int]:
        """How many items of each tenant wait, at most; those not counted that were held back when their turn came."""
        return {name: len(tenant.waiting) for name, tenant in self._circle.items()}

    def aside(self) -> Mapping[str, Mapping[str, int]]:
        """These, by kind and tenant, at most."""
        counts: dict[str, dict[str, int]] = {}
        for name, tenant in self._circle.items():
            for kind, line in tenant.aside.items():
                counts.setdefault(kind, {})[name] = len(line)
        return counts

    def items(self) -> Iterator[Item]:
        """Those that wait, tenant by tenant."""
        for tenant in self._circle.values():
            for line in (*tenant.aside.values(), tenant.waiting):
                yield from (item for item in line if item.waits)

    def _affordable(self, held_back: Collection[str]) -> str | None:
        """Whose turn it is; those before it, who cannot go, have had theirs."""
        for _ in range(len(self._circle)):
            name, tenant = next(iter(self._circle.items()))
            line = tenant.line(held_back)
            if line is not None and tenant.grants_needed(line[0]) <= 0:
                return name
            self._circle.move_to_end(name)
        return None

    def _begin_round(self, held_back: Collection[str]) -> bool:
        """False when nobody has anything to go."""
        lines = [(tenant, tenant.line(held_back)) for tenant in self._circle.values()]
        going = [(tenant, line[0]) for tenant, line in lines if line is not None]
        grants = min((tenant.grants_needed(first) for tenant, first in going), default=0)
        for tenant, _ in going:
            tenant.credit += grants * tenant.grant
        return bool(going)

    def _serve(self, name: str, held_back: Collection[str]) -> Item:
        tenant = self._circle[name]
        line = tenant.line(held_back)
        if line is None:
            raise AssertionError("whose turn it is has something to go")
        item = line.popleft()
        tenant.credit -= _price(item)
        self._advance(name)
        return item

    def _advance(self, name: str) -> None:
        """A tenant of whom nothing waits leaves the circle."""
        tenant = self._circle[name]
        for line in (tenant.waiting, *tenant.aside.values()):
            _drop_gone(line)
        if not tenant.waiting and not any(tenant.aside.values()):
            del self._circle[name]
