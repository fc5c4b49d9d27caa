"""`python -m services.ingress`: serve until told to stop."""

import asyncio
import os

import shared.unadorned  # noqa: F401 - for what it leaves out
from services.ingress.settings import IngressSettings
from services.ingress.wiring import wire
from shared.config import load_config
from shared.lifecycle import run, spare_the_collector
from shared.settings import read_settings
from shared.telemetry import configure_logging


async def _serve(stop: asyncio.Event) -> None:
    settings = read_settings(IngressSettings)
    configure_logging("ingress", settings.log_level)
    config = load_config(settings.config_path, os.environ)
    async with wire(settings, config):
        spare_the_collector()
        await stop.wait()


if __name__ == "__main__":
    run(_serve)
