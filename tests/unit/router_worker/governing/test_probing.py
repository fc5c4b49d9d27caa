"""A deployment that is left alone is asked after before a job is let in."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import pytest

from services.router_worker.failures import FailureKind
from services.router_worker.governing.post import Posts
from services.router_worker.governing.posting import posts_of
from services.router_worker.governing.probing import Prober
from services.router_worker.resilience.breaker import Opened, State
from tests.suites.governing import BookHere, Counts, a_config

TEST_SECONDS = 10


@dataclass
class ProbesHere:
    """The port `Probes`."""

    failure: FailureKind | None = None
    asked: Counter[str] = field(default_factory=Counter)

    async def probe(self, provider: str, seconds: float) -> FailureKind | None:
        await asyncio.sleep(0)
        self.asked[provider] += 1
        return self.failure


@pytest.fixture
async def posts() -> Posts:
    breaker = {"failures_in_a_row": 1, "open_seconds": 4, "probes": 1}
    return posts_of(a_config({"a": {}}, breaker), "w1", BookHere(), Counts(), shift=0.0)


async def probed(posts: Posts, probes: ProbesHere, times: int) -> None:
    running = asyncio.create_task(Prober(posts, probes, Counts()).run())
    async with asyncio.timeout(TEST_SECONDS):
        while probes.asked["p"] < times:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])


async def test_whoever_does_not_answer_is_left_alone_for_longer(posts: Posts) -> None:
    (post,) = posts.values()
    now = asyncio.get_running_loop().time()
    post.hear(Opened(0.5, 1, FailureKind.SERVER_ERROR), now)
    await probed(posts, ProbesHere(FailureKind.CONNECT), 1)
    breaker = post.guard.breaker
    assert breaker.until - now > 3
    assert (breaker.openings, breaker.because) == (2, FailureKind.CONNECT)
    assert post.news.is_set(), "the others are to know"


async def test_whoever_answers_is_tried_at_its_time_and_not_asked_again(posts: Posts) -> None:
    (post,) = posts.values()
    now, probes = asyncio.get_running_loop().time(), ProbesHere()
    post.hear(Opened(0.6, 1, FailureKind.SERVER_ERROR), now)
    until = post.guard.breaker.until
    running = asyncio.create_task(Prober(posts, probes, Counts()).run())
    async with asyncio.timeout(TEST_SECONDS):
        while post.state() is not State.HALF_OPEN:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.wait([running])
    assert post.guard.breaker.until == until
    assert probes.asked == {"p": 1}


async def test_nobody_is_asked_after_without_need(posts: Posts) -> None:
    (post,) = posts.values()
    post.hear(Opened(30, 1, FailureKind.SERVER_ERROR), asyncio.get_running_loop().time())
    probes = ProbesHere()
    running = asyncio.create_task(Prober(posts, probes, Counts()).run())
    for _ in range(5):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    assert not probes.asked
