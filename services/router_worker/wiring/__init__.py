"""Who is who in a router worker, the only place that knows which adapter stands behind a port."""

from services.router_worker.wiring.process import Worker, wire

__all__ = ["Worker", "wire"]
