"""Which deployments does this worker call? The configuration in, a post for each out."""

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Protocol

from services.router_worker.governing.governor import Crowd
from services.router_worker.governing.keeper import Keeper, Ticket
from services.router_worker.governing.ports import GateMeasures, GuardMeasures, Leases
from services.router_worker.governing.post import Post, Posts
from services.router_worker.quota.account import Account
from services.router_worker.resilience.guard import Guard
from services.router_worker.resilience.keys import KeyRing, KeyState
from shared.config.schema import Config, Provider
from shared.contracts import Lane

__all__ = ["crowd_of", "posts_of"]


class Measures(GateMeasures, GuardMeasures, Protocol):
    """Both."""


def posts_of(config: Config, worker: str, leases: Leases, measures: Measures, *, shift: float) -> Posts:
    """One for each model that a provider is asked for, whatever it is called here.

    `shift` is what to add to the loop's clock to get the seconds since the epoch.
    """
    posts: dict[tuple[str, str], Post] = {}
    news = asyncio.Event()
    marks = {name: tuple(map(_fingerprint, section.accounts)) for name, section in config.providers.items()}
    everywhere = {name: _states(name, own) for name, own in marks.items()}
    for name, model in config.models.items():
        for deployment in model.deployments:
            asked = (deployment.provider, deployment.model or name)
            written, own = "/".join(asked), marks[deployment.provider]
            guard = Guard(config.breaker, deployment.bulkhead)
            ring = KeyRing(everywhere[deployment.provider], _states(written, own))
            accounts: list[Account[Ticket]] = [
                Account(_told_as(written, mark), worker, deployment.limits, shift, guard) for mark in own
            ]
            names = config.providers[deployment.provider].key_names
            keepers = [
                Keeper(written, number, name, ring, account, guard, leases, measures)
                for number, (account, name) in enumerate(zip(accounts, names, strict=True))
            ]
            with_keys = _told_as(written, "+".join(own))
            posts[asked] = Post(written, guard, ring, keepers, config.retries, measures, news, with_keys)
    return posts


def crowd_of(config: Config, posts: Posts, lane: Lane) -> Crowd:
    """A model's own deployments count: nobody goes to a fallback because of a limit."""
    models: Mapping[str, list[Keeper]] = {
        name: [keeper for each in model.deployments for keeper in posts[each.provider, each.model or name].keepers]
        for name, model in config.models.items()
    }
    return Crowd(lane, models)


def _states(whose: str, marks: Sequence[str]) -> list[KeyState]:
    return [KeyState(_told_as(whose, mark)) for mark in marks]


def _told_as(whose: str, mark: str) -> str:
    return f"{whose}@{mark}"


def _fingerprint(provider: Provider) -> str:
    """Another key has another quota. It is short, and says nothing of the key."""
    secret = provider.api_key.get_secret_value() if provider.api_key else ""
    return blake2b(secret.encode(), digest_size=4).hexdigest()
