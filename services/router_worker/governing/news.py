"""Tells the other workers which deployments and keys this one leaves alone, and hears of theirs: at once, and every
second.

What is lost, or comes late, costs a few calls that fail, and nothing else. While Redis is away, each worker goes by
what it knows. Breakers it tells again and again, so a server that has forgotten everything has them back within a
second; of keys what the server says is what holds, or nobody could ever take one back.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import structlog

from services.router_worker.governing.ports import News, Sharing
from services.router_worker.governing.post import Post, Posts
from services.router_worker.ports import Unreachable
from services.router_worker.resilience.keys import KeyState, Resting

__all__ = ["BreakerNews"]

log = structlog.get_logger("breaker")

_EVERY_SECONDS: Final = 1.0


class BreakerNews:
    def __init__(self, posts: Posts, sharing: Sharing) -> None:
        self._posts = tuple(posts.values())
        self._by_name: Mapping[str, Post] = {name: post for post in self._posts for name in post.names}
        self._keys: Mapping[str, KeyState] = {state.name: state for post in self._posts for state in post.ring.states}
        self._news = next((post.news for post in self._posts), asyncio.Event())
        self._sharing = sharing

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._news.clear()
            await self.try_exchange()
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_SECONDS):
                    await self._news.wait()

    async def try_exchange(self) -> None:
        """The same, where it may fail."""
        try:
            await self.exchange()
        except Unreachable as error:
            log.info("breakers_not_told", reason=str(error))

    async def exchange(self) -> None:
        """Afterwards the others can hear what this worker knows, and it knows what they knew. Raises Unreachable."""
        now = asyncio.get_running_loop().time()
        opened = {post.name_now: told for post in self._posts if (told := post.guard.told(now)) is not None}
        fresh = {name: (state.key, state.told(now)) for name, state in self._keys.items() if state.untold}
        resting = {name: told for name, (_, told) in fresh.items() if told is not None}
        heard = await self._sharing.share(News(opened, resting), [name for name in fresh if name not in resting])
        for name, (key, _) in fresh.items():
            state = self._keys[name]
            state.untold = state.key != key
        for name, each in heard.opened.items():
            if post := self._by_name.get(name):
                post.hear(each, now)
        self._hear(heard.resting, now)

    def _hear(self, resting: Mapping[str, Resting], now: float) -> None:
        changed = {state for name, state in self._keys.items() if state.hear(resting.get(name), now)}
        for post in self._posts if changed else ():
            if not changed.isdisjoint(post.ring.states):
                post.keys_changed()
