"""What of its leases has a worker not used yet? Openings, each for one call of so many tokens at most."""

import sys
from collections.abc import Iterator
from typing import Final, NamedTuple

from services.router_worker.quota.book import Ask, Lease, place
from services.router_worker.quota.flow import Opening

__all__ = ["ANY_SIZE", "Stock"]

ANY_SIZE: Final = sys.maxsize
"""Of an opening where tokens are not limited."""


class _Leased(NamedTuple):
    opening: Opening
    tokens: int


class Stock:
    """Seconds are on the worker's own clock."""

    def __init__(self) -> None:
        self._leased: list[_Leased] = []

    def __len__(self) -> int:
        return len(self._leased)

    def put(self, ask: Ask, lease: Lease, sent: float, received: float) -> None:
        """What was dealt between `sent` and `received`: it opens by the one, so never too early, and dies by the other,
        so never too late.
        """
        calls = [(cost, False) for cost in ask.interactive[: lease.interactive]]
        calls += [(cost, True) for cost in ask.batch[: lease.batch]]
        calls += [(ask.spare_tokens, False)] * lease.spare
        requests, tokens = lease.requests_begin, lease.tokens_begin
        for cost, batch in calls:
            opening, requests, tokens = place(ask.terms, requests, tokens, cost, batch=batch)
            size = ANY_SIZE if ask.terms.tokens is None else cost
            self._leased.append(_Leased(Opening(received + opening.at, sent + opening.until), size))

    def has(self, tokens: int, now: float) -> bool:
        """Whether there is an opening that is open and large enough."""
        if any(leased.opening.until < now for leased in self._leased):
            self._leased = [leased for leased in self._leased if leased.opening.until >= now]
        return self._find(tokens, now) is not None

    def take(self, tokens: int, now: float) -> int:
        """Use the first such opening; how many tokens it was for."""
        leased = self._find(tokens, now)
        if leased is None:
            raise AssertionError("whoever takes an opening has asked whether there is one")
        self._leased.remove(leased)
        return leased.tokens

    def opens_at(self, now: float) -> Iterator[float]:
        return (leased.opening.at for leased in self._leased if leased.opening.until > now)

    def uncovered(self, calls: list[tuple[bool, int]]) -> list[tuple[bool, int]]:
        """Those calls for which there is nothing here; the second of each pair is its tokens."""
        left = [leased.tokens for leased in self._leased]
        uncovered = []
        for call in calls:
            covers = next((index for index, tokens in enumerate(left) if tokens >= call[1]), None)
            if covers is None:
                uncovered.append(call)
            else:
                del left[covers]
        return uncovered

    def _find(self, tokens: int, now: float) -> _Leased | None:
        return next((each for each in self._leased if each.opening.at <= now and each.tokens >= tokens), None)
