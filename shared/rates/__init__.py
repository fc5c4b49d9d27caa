"""How much may be asked for in a minute, and at once? The buckets' arithmetic, and the Lua that does it for everybody.

Ingress takes, the worker that ends a job gives back what it did not use.
"""

from shared.rates.buckets import MINUTE_MS, UNIT, Bucket, full, missing_ms, refilled, waited_ms
from shared.rates.scripts import GIVE_BACK, KEEP, SETTLE, TAKE
from shared.rates.taking import Refusal, Resource, Scope, State, Taken, take

__all__ = [
    "GIVE_BACK",
    "KEEP",
    "MINUTE_MS",
    "SETTLE",
    "TAKE",
    "UNIT",
    "Bucket",
    "Refusal",
    "Resource",
    "Scope",
    "State",
    "Taken",
    "full",
    "missing_ms",
    "refilled",
    "take",
    "waited_ms",
]
