"""`python -m services.accounting`: record until told to stop. `… migrate`: bring the database up to date and end."""

import argparse
import asyncio
import os
import sys

import shared.unadorned  # noqa: F401 - for what it leaves out
from services.accounting.ledger.engine import dispose, engine_for, ping
from services.accounting.migrations import migrate
from services.accounting.settings import Settings
from shared.lifecycle import run, spare_the_collector, until_reachable
from shared.settings import read_settings
from shared.telemetry.logs import configure_logging


async def _record(stop: asyncio.Event) -> None:
    # Late, so that `migrate` does not wait for Kafka's client and a megabyte of prices.
    from services.accounting.wiring import wire
    from shared.config import load_config

    settings = read_settings(Settings)
    configure_logging("accounting", settings.log_level)
    config = load_config(settings.config_path, os.environ)
    async with wire(settings, config, stop) as accounting:
        spare_the_collector()
        stopped = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait({stopped, accounting.background}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if accounting.background.done():
            accounting.background.result()  # its failure is the process's


async def _migrate(stop: asyncio.Event) -> None:
    settings = read_settings(Settings)
    configure_logging("accounting", settings.log_level)
    engine = engine_for(settings.postgres_url)
    try:
        await until_reachable("postgres", lambda: ping(engine), stop)
        await migrate(engine)
    finally:
        await dispose(engine)


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.accounting", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["record", "migrate"], default="record")
    return parser.parse_args(argv)


if __name__ == "__main__":
    run(_migrate if _arguments(sys.argv[1:]).command == "migrate" else _record)
