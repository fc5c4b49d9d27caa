"""`python -m services.router_worker`: consume jobs until told to stop."""

import asyncio
import os

import shared.unadorned  # noqa: F401 - for what it leaves out
from services.router_worker.providers.known import KNOWN
from services.router_worker.settings import Settings
from services.router_worker.wiring import wire
from shared.config import load_config
from shared.lifecycle import run, spare_the_collector
from shared.settings import read_settings
from shared.telemetry.logs import configure_logging


async def _work(stop: asyncio.Event) -> None:
    settings = read_settings(Settings)
    configure_logging("router_worker", settings.log_level)
    config = load_config(settings.config_path, os.environ, KNOWN)
    async with wire(settings, config, stop) as worker:
        spare_the_collector()
        stopped = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait({stopped, worker.background}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if worker.background.done():
            worker.background.result()  # its failure is the process's


if __name__ == "__main__":
    run(_work)
