"""How a process tells what it does: logs, metrics, traces and probes."""

from shared.telemetry.instruments import Instruments
from shared.telemetry.logs import bound, configure_logging
from shared.telemetry.probes import probes, serving_probes
from shared.telemetry.traces import TraceContext

__all__ = ["Instruments", "TraceContext", "bound", "configure_logging", "probes", "serving_probes"]
