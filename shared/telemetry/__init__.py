"""How a process tells what it does: logs, metrics, traces and probes."""
