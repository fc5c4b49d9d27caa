"""May a job begin, with all that limits it, and when? Pure: what the script does; a test compares the two.

All or nothing: either every scope gives what the job takes, or nobody gives anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from shared.rates.buckets import UNIT, Bucket, full, missing_ms, refilled, waited_ms

__all__ = ["Refusal", "Resource", "Scope", "State", "Taken", "take"]


class Resource(StrEnum):
    REQUESTS = "requests"
    TOKENS = "tokens"
    PLACES = "places"


@dataclass(frozen=True, slots=True)
class Scope:
    """A key, a team, a tenant or a model, and how much may be asked of it in a minute. None is unlimited."""

    name: str
    requests: int | None = None
    tokens: int | None = None
    places: int | None = None
    """Jobs at once."""

    def limits(self) -> Iterable[tuple[Resource, int]]:
        """Those of its buckets."""
        if self.requests is not None:
            yield Resource.REQUESTS, self.requests
        if self.tokens is not None:
            yield Resource.TOKENS, self.tokens


@dataclass(frozen=True, slots=True)
class State:
    """Of a scope. A bucket that is not there is full."""

    at_ms: int
    buckets: Mapping[Resource, Bucket] = field(default_factory=dict)
    places: Mapping[str, int] = field(default_factory=dict)
    """Jobs, and until when each keeps its place."""

    def later(self, scope: Scope, now_ms: int) -> "State":
        ms = max(0, now_ms - self.at_ms)
        buckets = {
            resource: refilled(self.buckets[resource], limit, ms) if resource in self.buckets else full(limit)
            for resource, limit in scope.limits()
        }
        return State(now_ms, buckets, {job: until for job, until in self.places.items() if until > now_ms})


@dataclass(frozen=True, slots=True)
class Taken:
    wait_ms: int
    """0 is at once."""
    states: tuple[State, ...]
    owing: tuple[tuple[int, Resource], ...] = ()
    """Which buckets are owed, by the number of the scope."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The bucket, or the places, for which the job would have to wait longest."""

    scope: int
    resource: Resource
    retry_ms: int | None
    """None when it never can; unknown, and 0, for places."""
    states: tuple[State, ...]


def take(
    scopes: Sequence[Scope],
    before: Sequence[State],
    *,
    job: str,
    tokens: int,
    now_ms: int,
    patience_ms: int | None,
    place_ms: int,
) -> Taken | Refusal:
    """`patience_ms` is how long the job can wait; None when it cannot. It keeps its places for `place_ms`."""
    states = tuple(state.later(scope, now_ms) for scope, state in zip(scopes, before, strict=True))
    costs = {Resource.REQUESTS: UNIT, Resource.TOKENS: tokens * UNIT}
    refusals: list[Refusal] = []
    waits, owing = [0], []
    for number, (scope, state) in enumerate(zip(scopes, states, strict=True)):
        for resource, limit in scope.limits():
            bucket, cost = state.buckets[resource], costs[resource]
            if bucket.level >= cost and not (bucket.owed and patience_ms is not None):
                continue
            if patience_ms is None:
                refusals.append(Refusal(number, resource, missing_ms(bucket, limit, cost), states))
                continue
            owing.append((number, resource))
            waits.append(waited_ms(bucket.owed + cost, limit))
            if waits[-1] > patience_ms:
                refusals.append(Refusal(number, resource, _line_ms(bucket, limit, cost, patience_ms), states))
        if scope.places is not None and patience_ms is None and len(state.places) >= scope.places:
            refusals.append(Refusal(number, Resource.PLACES, 0, states))
    if refusals:
        return _longest(refusals)
    return Taken(
        max(waits),
        tuple(
            _taken(number, scope, state, costs, owing, {job: now_ms + place_ms} if patience_ms is None else {})
            for number, (scope, state) in enumerate(zip(scopes, states, strict=True))
        ),
        tuple(owing),
    )


def _line_ms(bucket: Bucket, limit: int, cost: int, patience_ms: int) -> int | None:
    """How long until the line is short enough, or there is none and the bucket has enough."""
    missing = missing_ms(bucket, limit, cost)
    without_line = None if missing is None else max(missing, waited_ms(bucket.owed, limit))
    if waited_ms(cost, limit) > patience_ms:
        return without_line
    short_enough = waited_ms(bucket.owed + cost, limit) - patience_ms
    return short_enough if without_line is None else min(short_enough, without_line)


def _longest(refusals: Sequence[Refusal]) -> Refusal:
    """The first of those that wait longest; never is longer than anything."""
    longest = refusals[0]
    for each in refusals[1:]:
        if longest.retry_ms is not None and (each.retry_ms is None or each.retry_ms > longest.retry_ms):
            longest = each
    return longest


def _taken(
    number: int,
    scope: Scope,
    state: State,
    costs: Mapping[Resource, int],
    owing: Sequence[tuple[int, Resource]],
    place: Mapping[str, int],
) -> State:
    buckets = {
        resource: Bucket(bucket.level, bucket.owed + costs[resource])
        if (number, resource) in owing
        else Bucket(bucket.level - costs[resource], bucket.owed)
        for resource, bucket in state.buckets.items()
    }
    return State(state.at_ms, buckets, {**state.places, **place} if scope.places is not None else state.places)
