"""What happens when `sluice.yaml` changes under a running process? It is read again, and taken if nothing is wrong.

The file is looked at every two seconds, and at once on SIGHUP. What cannot be taken is told with its reasons, and the
process goes on by what it had.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import structlog

from shared.config.loading import load_config
from shared.config.references import Known
from shared.config.schema import Config
from shared.errors import OperatorError
from shared.telemetry.instruments import Instruments
from shared.telemetry.metrics import CONFIG_READINGS, CONFIG_REFUSED

__all__ = ["ConfigFile", "ConfigWatch"]

log = structlog.get_logger("config")

_LOOK_SECONDS: Final = 2.0

Take = Callable[[Config], Awaitable[None]]
"""Afterwards the process goes by it. Raises OperatorError when it cannot; then nothing has changed."""

Stamp = tuple[int, int, int] | None
"""By which a change shows; None when there is no file."""


class ConfigFile:
    """Where the configuration comes from. Blocks for one small file."""

    def __init__(self, path: Path, env: Mapping[str, str], known: Known | None = None) -> None:
        self._path = path
        self._env = env
        self._known = known

    def read(self) -> Config:
        """Raises ConfigError."""
        return load_config(self._path, self._env, self._known)

    def stamp(self) -> Stamp:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


class ConfigWatch:
    def __init__(
        self,
        file: ConfigFile,
        running: Config,
        take: Take,
        instruments: Instruments,
        *,
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        """`running` is what the process has started with."""
        self._file = file
        self._running = running
        self._take = take
        self._readings = instruments.counter(CONFIG_READINGS)
        self._refused = instruments.gauge(CONFIG_REFUSED)
        self._refused.set(0)
        self._look_seconds = look_seconds
        self._asked = asyncio.Event()
        self._seen = file.stamp()

    async def run(self) -> None:
        """Until cancelled."""
        with _hung_up(self._asked.set):
            while True:
                asked = await self._asked_within(self._look_seconds)
                stamp = self._file.stamp()
                if not asked and (stamp == self._seen or not await self._is_whole(stamp)):
                    continue
                self._seen = stamp
                await self.read_again()

    async def read_again(self) -> None:
        """Never raises."""
        try:
            fresh = self._file.read()
            if fresh == self._running:
                self._told("unchanged", refused=False)
                return
            await self._take(fresh)
        except OperatorError as error:
            self._refuse(error)
            return
        self._tell_of(fresh)
        self._running = fresh
        self._told("taken", refused=False)

    def _refuse(self, error: OperatorError) -> None:
        log.error("config_refused", reasons=str(error).splitlines())
        self._told("refused", refused=True)

    def _tell_of(self, fresh: Config) -> None:
        changed = [name for name in type(fresh).model_fields if getattr(fresh, name) != getattr(self._running, name)]
        log.info("config_taken", sections=changed)

    def _told(self, outcome: str, *, refused: bool) -> None:
        self._readings.labels(outcome).inc()
        self._refused.set(refused)

    async def _asked_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._asked.wait()
        asked = self._asked.is_set()
        self._asked.clear()
        return asked

    async def _is_whole(self, stamp: Stamp) -> bool:
        """Whoever writes it has ended, as far as one can see."""
        await asyncio.sleep(min(0.1, self._look_seconds))
        return self._file.stamp() == stamp


@contextmanager
def _hung_up(then: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, then)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
