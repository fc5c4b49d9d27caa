"""`python -m devstack`: the three servers until Ctrl-C. The last line on stdout, once all answer, is JSON."""

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from devstack.ports import Ports
from devstack.server import ServersUnavailable
from devstack.stack import running_stack


def main() -> int:
    arguments = _parser().parse_args()
    ports = Ports(kafka=arguments.kafka_port, valkey=arguments.valkey_port, postgres=arguments.postgres_port)
    try:
        asyncio.run(_serve(arguments.data, ports, arguments.cache))
    except ServersUnavailable as unavailable:
        print(unavailable, file=sys.stderr)  # noqa: T201
        return 1
    return 0


async def _serve(data: Path, ports: Ports, cache: Path | None) -> None:
    loop = asyncio.get_running_loop()
    serving = asyncio.create_task(_hold(data, ports, cache))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


async def _hold(data: Path, ports: Ports, cache: Path | None) -> None:
    def tell(sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)  # noqa: T201

    async with running_stack(data, ports=ports, cache=cache, tell=tell) as stack:
        print(stack.described(), flush=True)  # noqa: T201
        await asyncio.Event().wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m devstack", description="Kafka, Valkey and PostgreSQL on this machine."
    )
    parser.add_argument("--data", type=Path, default=Path(".sluice"), help="folder of the data, kept across restarts")
    parser.add_argument("--cache", type=Path, default=None, help="folder of Kafka's jars (default: in your home)")
    for name in ("kafka", "valkey", "postgres"):
        parser.add_argument(f"--{name}-port", type=int, default=None, help="default: the last one, else a free one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
