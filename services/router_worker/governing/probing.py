"""Asks after deployments that are left alone, shortly before they are tried again: nobody's job shall find out what a
cheap question tells.

The question is a GET that costs nothing and needs no key. Whoever answers it at all is tried by jobs at its time;
whoever does not is left alone for longer, as if a job's call had failed.
"""

import asyncio
import random
from typing import Final

import structlog

from services.router_worker.governing.ports import ProbeMeasures, Probes
from services.router_worker.governing.post import Post, Posts

__all__ = ["Prober"]

log = structlog.get_logger("breaker")

_LOOK_SECONDS: Final = 0.25
_LEAD_SECONDS: Final = 1.0
"""So long before its time a deployment is asked after, and so long an answer may take."""


class Prober:
    def __init__(self, posts: Posts, probes: Probes, measures: ProbeMeasures) -> None:
        self._posts = posts
        self._probes = probes
        self._measures = measures
        self._asked: dict[str, int] = {}
        """By deployment: the era of its breaker in which it was asked after."""

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                for (provider, _), post in self._posts.items():
                    if self._is_due(post):
                        self._asked[post.name] = post.guard.breaker.era
                        group.create_task(self.ask(provider, post))
                await asyncio.sleep(_LOOK_SECONDS)

    def _is_due(self, post: Post) -> bool:
        now, breaker = asyncio.get_running_loop().time(), post.guard.breaker
        return breaker.until - _LEAD_SECONDS <= now < breaker.until and self._asked.get(post.name) != breaker.era

    async def ask(self, provider: str, post: Post) -> None:
        era = post.guard.breaker.era
        failure = await self._probes.probe(provider, _LEAD_SECONDS)
        self._measures.probed(post.name, "answered" if failure is None else failure)
        if failure is not None:
            jitter = random.random()  # noqa: S311 - keeps workers apart, guards nothing
            post.found_broken(era, failure, asyncio.get_running_loop().time(), jitter)
        log.info("deployment_probed", deployment=post.name, failure=failure)
