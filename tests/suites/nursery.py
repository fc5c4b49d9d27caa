"""Services born of a process that has imported them all: real processes, with a keeper each, that are there at once.

To start Python and to import a service takes more of the machine than most tests of it do. What is tested of the way
in which users start one (`python -m services.ingress` and so on) is tested without this.
"""

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Mapping
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from devstack import leash_keeper
from devstack.leash import Leashed, kept_by

__all__ = ["born"]

_SERVICES = ("services.ingress", "services.router_worker", "services.accounting")
_GRACE_SECONDS = 10.0


async def born(service: str, *, env: Mapping[str, str], log: Path) -> Leashed:
    """`python -m services.<service>`, as `leashed` starts it."""
    orders_end, orders = os.pipe()
    report, report_end = os.pipe()
    wish, wish_end = os.pipe()
    with log.open("ab") as output, os.fdopen(wish_end, "wb") as wishing:
        socket.send_fds(_mother(), [b"w"], [orders_end, report_end, output.fileno(), wish])
        wishing.write(json.dumps({"module": f"services.{service}", "env": dict(env)}).encode())
    for handed in (orders_end, report_end, wish):
        os.close(handed)
    return await kept_by(report, orders, lambda: None, f"{service} was not born; see {log}")


@cache
def _mother() -> socket.socket:
    """How to reach her. One for each process that tests; she goes with it."""
    ours, hers = socket.socketpair()
    with hers:
        mother = subprocess.Popen(
            [sys.executable, "-m", "tests.suites.nursery", str(hers.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            cwd=Path(__file__).parents[2],
            pass_fds=[hers.fileno()],
            start_new_session=True,
        )
    atexit.register(_parted, ours, mother)
    return ours


def _parted(ours: socket.socket, mother: "subprocess.Popen[bytes]") -> None:
    ours.close()
    mother.wait(30)


def _bear(orders: socket.socket) -> None:
    """Until whoever gives the orders is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # she need not wait for any of them
    for module in _SERVICES:
        import_module(f"{module}.__main__")
        del sys.modules[f"{module}.__main__"]  # a child runs it, as the first to do so
    gc.collect()
    gc.freeze()
    while True:
        # One byte at a time, and each brings its own descriptors.
        word, handed, _, _ = socket.recv_fds(orders, 1, 4)
        if not word:
            return
        if os.fork() == 0:
            orders.close()
            _keep(*handed)
        for number in handed:
            os.close(number)


def _keep(orders: int, report: int, log: int, wish: int) -> NoReturn:
    with os.fdopen(wish, "rb") as wishes:
        wanted = json.loads(wishes.read())
    for standard, handed in enumerate((orders, report, log)):
        os.dup2(handed, standard)
        os.close(handed)
    leash_keeper.keep(partial(_become, wanted["module"], wanted["env"]), _GRACE_SECONDS, signal.SIGTERM)
    os._exit(0)


def _become(module: str, env: dict[str, str], keeper: int) -> NoReturn:
    code = 1
    try:
        leash_keeper.detach()
        if leash_keeper.die_with(keeper):
            code = _live(module, env)
    except BaseException:  # noqa: BLE001 - as the interpreter ends with what nobody catches
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _live(module: str, env: dict[str, str]) -> int:
    os.environ.clear()
    os.environ.update(env)
    # As Python does when it starts: else to write to a server that has just died ends the process.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


if __name__ == "__main__":
    _bear(socket.socket(fileno=int(sys.argv.pop())))  # her children are given no word of hers
