"""`python -m chaos.sabotage NAME`: a router worker, broken in one way."""

import importlib
import runpy
import sys

from chaos.sabotage import SABOTAGES

if __name__ == "__main__":
    name = sys.argv[1]
    if name not in SABOTAGES:
        sys.exit(f"there is no sabotage {name!r}: choose from {', '.join(SABOTAGES)}")
    importlib.import_module(f"chaos.sabotage.{name}").commit()
    runpy.run_module("services.router_worker", run_name="__main__", alter_sys=True)
