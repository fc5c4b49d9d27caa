"""A file that changes is taken if it can be, and told about if not."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared.config.schema import Config
from shared.config.watching import ConfigFile, ConfigWatch
from shared.errors import OperatorError
from shared.telemetry.instruments import Instruments

PROVIDERS = "providers: {one: {base_url: http://one/v1}}\n"
GOOD = PROVIDERS + "models: {m: {deployments: [{provider: one}]}}\n"
BETTER = PROVIDERS + "models: {m: {deployments: [{provider: one, weight: 7}]}}\n"
WRONG = PROVIDERS + "models: {m: {deployments: [{provider: two, weight: heavy}]}}\n"
QUICK = 0.01


class Taker:
    def __init__(self) -> None:
        self.taken: list[Config] = []
        self.refusal: OperatorError | None = None

    async def take(self, config: Config) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.taken.append(config)


class Watched:
    def __init__(self, path: Path, look_seconds: float) -> None:
        path.write_text(GOOD)
        self.path = path
        self.taker = Taker()
        self.instruments = Instruments("test")
        self.file = ConfigFile(path, {})
        self.watch = ConfigWatch(
            self.file, self.file.read(), self.taker.take, self.instruments, look_seconds=look_seconds
        )

    def count(self, outcome: str) -> float:
        return self.instruments.registry.get_sample_value("sluice_config_readings_total", {"outcome": outcome}) or 0

    @property
    def goes_by_an_older_file(self) -> bool:
        return bool(self.instruments.registry.get_sample_value("sluice_config_refused"))


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    watched = Watched(tmp_path / "sluice.yaml", QUICK)
    async with running(watched):
        yield watched


@asynccontextmanager
async def running(watched: Watched) -> AsyncIterator[None]:
    task = asyncio.create_task(watched.watch.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_file_that_changes_is_taken(watched: Watched) -> None:
    watched.path.write_text(BETTER)
    await until(lambda: watched.count("taken") == 1)
    (config,) = watched.taker.taken
    assert config.models["m"].deployments[0].weight == 7


async def test_a_wrong_file_is_told_with_every_reason_and_the_old_one_stays(watched: Watched) -> None:
    with capture_logs() as lines:
        watched.path.write_text(WRONG)
        await until(lambda: watched.count("refused") == 1)
    (refused,) = [line for line in lines if line["event"] == "config_refused"]
    assert any("weight" in reason for reason in refused["reasons"])
    assert not watched.taker.taken
    assert watched.goes_by_an_older_file
    watched.path.write_text(BETTER)
    await until(lambda: watched.count("taken") == 1)
    assert not watched.goes_by_an_older_file


async def test_a_file_that_is_gone_or_cannot_be_taken_is_refused_too(watched: Watched) -> None:
    watched.path.unlink()
    await until(lambda: watched.count("refused") == 1)
    watched.taker.refusal = OperatorError("no certificates")
    watched.path.write_text(BETTER)
    await until(lambda: watched.count("refused") == 2)
    assert not watched.taker.taken


async def test_the_old_file_again_is_no_longer_refused(watched: Watched) -> None:
    watched.path.write_text(WRONG)
    await until(lambda: watched.goes_by_an_older_file)
    watched.path.write_text(GOOD)
    await until(lambda: watched.count("unchanged") == 1)
    assert not watched.goes_by_an_older_file
    assert not watched.taker.taken


async def test_a_link_that_points_to_another_file_is_a_change(tmp_path: Path) -> None:
    """As a ConfigMap is exchanged."""
    link = tmp_path / "sluice.yaml"
    for name, text in (("one", GOOD), ("two", BETTER)):
        (tmp_path / name).write_text(text)
    watched = Watched(tmp_path / "unused.yaml", QUICK)
    link.symlink_to(tmp_path / "one")
    file = ConfigFile(link, {})
    watched.watch = ConfigWatch(file, file.read(), watched.taker.take, watched.instruments, look_seconds=QUICK)
    async with running(watched):
        (tmp_path / "next").symlink_to(tmp_path / "two")
        (tmp_path / "next").replace(link)
        await until(lambda: watched.count("taken") == 1)


async def test_sighup_has_it_read_at_once(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "sluice.yaml", 3600)
    async with running(watched):
        await asyncio.sleep(0)
        watched.path.write_text(BETTER)
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: watched.count("taken") == 1)
