"""Tells the other workers which deployments this one leaves alone, and hears of theirs: at once, and every second.

What is lost, or comes late, costs a few calls that fail, and nothing else. While Redis is away, each worker goes by
what it knows; and tells it again, so a server that has forgotten everything has it back within a second.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import structlog

from services.router_worker.governing.ports import Sharing
from services.router_worker.governing.post import Post, Posts
from services.router_worker.ports import Unreachable

__all__ = ["BreakerNews"]

log = structlog.get_logger("breaker")

_EVERY_SECONDS: Final = 1.0


class BreakerNews:
    def __init__(self, posts: Posts, sharing: Sharing) -> None:
        self._posts: Mapping[str, Post] = {post.name: post for post in posts.values()}
        self._news = next((post.news for post in posts.values()), asyncio.Event())
        self._sharing = sharing

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._news.clear()
            try:
                await self.exchange()
            except Unreachable as error:
                log.info("breakers_not_told", reason=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_SECONDS):
                    await self._news.wait()

    async def exchange(self) -> None:
        """Afterwards the others can hear what this worker knows, and it knows what they knew. Raises Unreachable."""
        now = asyncio.get_running_loop().time()
        told = {name: opened for name, post in self._posts.items() if (opened := post.guard.told(now)) is not None}
        for name, opened in (await self._sharing.share(told)).items():
            if post := self._posts.get(name):
                post.hear(opened, now)
