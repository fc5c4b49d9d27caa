"""Who is who in ingress, the only place that knows which adapter stands behind a port."""

from services.ingress.wiring.process import wire

__all__ = ["wire"]
