"""`python -m chaos`: all of Sluice under load while its parts die. Exit code 1 when anything was lost, else 0.

The same seed gives the same load and the same faults at the same times; what they meet is the machine's affair.
"""

import argparse
import asyncio
import logging
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvloop
from rich.console import Console

from chaos.bench.stand import Wishes
from chaos.record import SHORTEST_SECONDS, record
from chaos.report import as_json, print_report
from chaos.run import Order, performed
from chaos.sabotage import SABOTAGES, worker_module
from devstack import postgres_place

_PASSABLE: Final = 0o711
"""PostgreSQL runs as somebody else when we are root, and must pass through."""
_INTERRUPTED: Final = 130


def main() -> int:
    parser = _parser()
    arguments = parser.parse_args()
    if arguments.record and (arguments.seconds < SHORTEST_SECONDS or arguments.sabotage):
        parser.error(f"only whole runs of at least {SHORTEST_SECONDS:g} s are recorded")
    try:
        return uvloop.run(_until_interrupted(arguments))
    except asyncio.CancelledError:
        return _INTERRUPTED


async def _until_interrupted(arguments: argparse.Namespace) -> int:
    running = asyncio.current_task()
    if running is not None:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(each, running.cancel)
    seed = random.randrange(1_000_000) if arguments.seed is None else arguments.seed  # noqa: S311 - a play
    wishes = Wishes(seed=seed, worker_module=worker_module(arguments.sabotage))
    order = Order(arguments.seconds, arguments.scale, wishes, arguments.sabotage, faults=not arguments.calm)
    began = time.monotonic()
    console = Console(stderr=True)

    def tell(sentence: str) -> None:
        console.print(f"{time.monotonic() - began:6.1f}  {sentence}", highlight=False, markup=False, soft_wrap=True)

    # Its broker is away again and again; that it says so is no news.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    tell(f"seed {seed}")
    with _folder(arguments.keep) as folder:
        outcome = await performed(order, folder, tell)
        if arguments.keep is not None:
            (folder / "outcome.json").write_text(as_json(outcome))
    if arguments.json:
        sys.stdout.write(as_json(outcome) + "\n")
    else:
        print_report(Console(), outcome)
    if arguments.record:
        record(outcome)
    return 0 if outcome.holds else 1


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True)
        keep.chmod(_PASSABLE)
        yield keep
        return
    folder = Path(tempfile.mkdtemp(prefix="sluice-chaos-"))
    folder.chmod(_PASSABLE)
    try:
        yield folder
    finally:
        postgres_place.erase(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m chaos", description="All of Sluice under load while its parts die, and what was lost by it."
    )
    parser.add_argument("--seconds", type=float, default=120.0, help="how long things break (default: %(default)g)")
    parser.add_argument("--seed", type=int, help="decides who asks what and what breaks when (default: any)")
    parser.add_argument("--scale", type=float, default=1.0, help="how much work comes in (default: %(default)g)")
    parser.add_argument("--calm", action="store_true", help="the load alone, and nothing breaks")
    parser.add_argument("--sabotage", choices=sorted(SABOTAGES), help="run workers that are broken on purpose")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")
    parser.add_argument("--record", action="store_true", help="add the run to docs/reliability.md")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave logs and data in a new folder")
    return parser


if __name__ == "__main__":
    sys.exit(main())
