"""A provider of completions over real HTTP that plays a script, faults included, and keeps the truth of what it served.

In tests: `async with running_simulator(Config(...)) as sim: ...`. From outside: `python -m simulator --help`.
"""

from simulator.config import Config, Quota
from simulator.running import Simulator, running_simulator
from simulator.script import Script
from simulator.served import Served, Totals

__all__ = ["Config", "Quota", "Script", "Served", "Simulator", "Totals", "running_simulator"]
