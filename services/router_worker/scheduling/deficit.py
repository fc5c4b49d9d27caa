"""Whose job goes next, while there are more jobs than slots? Pure: deficit round robin over tenants.

Theory (Shreedhar and Varghese, 1995). Tenants that wait stand in a circle, each with a credit in tokens. Whoever's
turn it is goes on as long as its credit covers the cost of its next job. Once nobody's does, a round is over and
everybody is granted tokens by weight, as many grants for each as the first of them needs to go on. So of two tenants
that both wait all the time, neither gets ahead of what its weight says by more than a grant and its largest job,
whatever the size and the number of their jobs; a tenant alone gets everything.

Rules for editing: every waiting tenant gets the same number of grants; credit is not saved up while nothing waits.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

__all__ = ["DeficitRoundRobin"]

_GRANT: Final = 256
"""Tokens a round and unit of weight. Far smaller than most jobs, so that a heavy tenant's jobs do not go in a row."""

Item = TypeVar("Item")


@dataclass(slots=True)
class _Tenant(Generic[Item]):
    grant: int
    credit: int = 0
    waiting: deque[tuple[int, Item]] = field(default_factory=deque)

    @property
    def grants_needed(self) -> int:
        cost, _ = self.waiting[0]
        return -(-(cost - self.credit) // self.grant)


class DeficitRoundRobin(Generic[Item]):
    """Waiting items by tenant; nothing is dropped, and whoever puts them in minds how many there are."""

    def __init__(self, weights: Mapping[str, int]) -> None:
        """A tenant that is not named has the weight 1."""
        self._weights = weights
        self._circle: OrderedDict[str, _Tenant[Item]] = OrderedDict()

    def __len__(self) -> int:
        return sum(len(tenant.waiting) for tenant in self._circle.values())

    def enqueue(self, tenant: str, cost: int, item: Item) -> None:
        """Behind the tenant's other items."""
        if tenant not in self._circle:
            self._circle[tenant] = _Tenant(_GRANT * self._weights.get(tenant, 1))
        # What costs nothing could go on for ever.
        self._circle[tenant].waiting.append((max(1, cost), item))

    def next(self) -> Item | None:
        """The item whose turn it is, no longer waiting. None only when nothing waits."""
        if not self._circle:
            return None
        while (name := self._affordable()) is None:
            self._begin_round()
        return self._serve(name)

    def forget(self, is_stale: Callable[[Item], bool]) -> None:
        """Items that need not go any more; the others keep their order."""
        for name, tenant in list(self._circle.items()):
            tenant.waiting = deque(entry for entry in tenant.waiting if not is_stale(entry[1]))
            if not tenant.waiting:
                del self._circle[name]

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
        cost, item = tenant.waiting.popleft()
        tenant.credit -= cost
        if not tenant.waiting:
            del self._circle[name]
        return item
