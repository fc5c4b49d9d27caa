"""Whose job goes next, while there are more jobs than slots? Pure: deficit round robin over tenants.

Theory (Shreedhar and Varghese, 1995). Tenants that wait stand in a circle, each with a credit in tokens. Whoever's
turn it is goes on as long as its credit covers the cost of its next job. Once nobody's does, a round is over and
everybody is granted tokens by weight, as many grants for each as the first of them needs to go on. So of two tenants
that both wait all the time, neither gets ahead of what its weight says by more than a grant and its largest job,
whatever the size and the number of their jobs; a tenant alone gets everything.

Somebody may be let go before its turn; it pays all the same, and its turn then comes later.

Rules for editing: every waiting tenant gets the same number of grants; credit is not saved up while nothing waits; the
first of a tenant's queue is always one that still waits.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
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
    def waits(self) -> bool:
        """False once it has gone by another way."""
        ...


Item = TypeVar("Item", bound=Waiting)


@dataclass(slots=True)
class _Tenant(Generic[Item]):
    grant: int
    credit: int = 0
    waiting: deque[Item] = field(default_factory=deque)

    @property
    def price(self) -> int:
        """What costs nothing could go on for ever."""
        return max(1, self.waiting[0].cost)

    @property
    def grants(self) -> float:
        """Its credit, in grants; less than none when it owes some."""
        return self.credit / self.grant

    @property
    def grants_needed(self) -> int:
        return -(-(self.price - self.credit) // self.grant)


class DeficitRoundRobin(Generic[Item]):
    """Waiting items by tenant; nothing is dropped, and whoever puts them in minds how many there are."""

    def __init__(self, weights: Mapping[str, int]) -> None:
        """A tenant that is not named has the weight 1."""
        self._weights = weights
        self._circle: OrderedDict[str, _Tenant[Item]] = OrderedDict()

    def enqueue(self, item: Item) -> None:
        """Behind the tenant's other items."""
        tenant = self._circle.get(item.tenant)
        if tenant is None:
            tenant = self._circle[item.tenant] = _Tenant(_GRANT * self._weights.get(item.tenant, 1))
        tenant.waiting.append(item)

    def next(self) -> Item | None:
        """The item whose turn it is, no longer waiting. None only when nothing waits."""
        if not self._circle:
            return None
        while (name := self._affordable()) is None:
            self._begin_round()
        return self._serve(name)

    def next_before_its_turn(self, may_go: Callable[[str, int], bool]) -> Item | None:
        """The item of a tenant that may go at once, which its name and the number of its items decide.

        Of several, whoever owes least. None when no such tenant waits.
        """
        eligible = [name for name, tenant in self._circle.items() if may_go(name, len(tenant.waiting))]
        if not eligible:
            return None
        return self._serve(max(eligible, key=lambda name: self._circle[name].grants))

    def prune(self, tenant: str) -> None:
        """Must follow when an item of this tenant has gone by another way."""
        if tenant in self._circle:
            self._advance(tenant)

    def sweep(self) -> None:
        """Must follow when many have."""
        for name, tenant in list(self._circle.items()):
            tenant.waiting = deque(item for item in tenant.waiting if item.waits)
            self._advance(name)

    def items(self) -> Iterator[Item]:
        """Those that wait, tenant by tenant."""
        for tenant in self._circle.values():
            yield from (item for item in tenant.waiting if item.waits)

    def _affordable(self) -> str | None:
        """Whose turn it is; those before it, who cannot go, have had theirs."""
        for _ in range(len(self._circle)):
            name, tenant = next(iter(self._circle.items()))
            if tenant.grants_needed <= 0:
                return name
            self._circle.move_to_end(name)
        return None

    def _begin_round(self) -> None:
        grants = min(tenant.grants_needed for tenant in self._circle.values())
        for tenant in self._circle.values():
            tenant.credit += grants * tenant.grant

    def _serve(self, name: str) -> Item:
        tenant = self._circle[name]
        tenant.credit -= tenant.price
        item = tenant.waiting.popleft()
        self._advance(name)
        return item

    def _advance(self, name: str) -> None:
        waiting = self._circle[name].waiting
        while waiting and not waiting[0].waits:
            waiting.popleft()
        if not waiting:
            del self._circle[name]
