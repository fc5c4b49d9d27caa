"""How does a limit become an even flow of calls? Pure; seconds, on any one clock.

Theory. Each unit, a request or a token, takes a piece of time, and the pieces lie end to end; all that is known of the
past is one number, until when the time is given away. A call begins behind the end of its piece and within `burst`
and `grace` of its beginning, or never. So the pieces of all calls that fall into some span S lie within S, burst and
grace, and there cannot be more of them than fit in there. The rest follows from how providers count:

- As a bucket that holds so many seconds of the limit: burst and grace together are three quarters of these, and the
  last quarter is for calls that arrive out of step.
- In windows of a minute, fixed or sliding: pieces are longer by so much that a minute, burst and grace hold no more
  than the limit.

Nothing is given before `burst` ago: what was not used until then is gone, as it is with the provider. A piece longer
than the burst, of a large job or a slow limit, would never be over in time: its call begins at the end of the burst.
In a window of the provider's there may then be more than the limit, by that one job at most.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

__all__ = ["MINUTE", "Flow", "Limit", "Opening", "flow_of", "narrower"]

MINUTE: Final = 60.0
_BUCKET_SECONDS: Final = 1.0
"""What every provider lets pass at once, as far as is known: some enforce a minute's limit second by second."""
_USED: Final = 0.75
"""Of a bucket; the rest is for the network."""
_GRACE: Final = 0.15
_LONGEST_GRACE: Final = 1.0
_SHORTEST_GRACE: Final = 0.02
_HORIZON: Final = 0.1
"""How far ahead calls are let in, so that they need not be asked for one by one."""
_RESERVE: Final = 0.2
"""Of the burst: the part of a bucket that batch jobs leave to interactive ones."""


@dataclass(frozen=True, slots=True)
class Limit:
    amount: float
    window: float
    """In which so many pass; a second or a minute."""
    bucket: float | None = None
    """How many seconds of it the provider lets pass at once after a quiet time. None when nobody knows."""


class Opening(NamedTuple):
    """From when until when a call may begin."""

    at: float
    until: float


@dataclass(frozen=True, slots=True)
class Flow:
    unit: float
    """How long a piece is."""
    burst: float
    """How much of a quiet time can be made up for."""
    grace: float
    """How much later than that a call may still begin."""

    @property
    def reserve(self) -> float:
        return self.burst * _RESERVE

    @property
    def horizon(self) -> float:
        return min(_HORIZON, self.burst / 5)

    def ahead(self, *, batch: bool) -> float:
        """Pieces that begin so long after now may be given away now; batch jobs have to leave the newest ones."""
        return self.horizon - self.reserve if batch else self.horizon

    def opening(self, begin: float, units: float, *, batch: bool) -> Opening:
        """Of a call whose piece begins at `begin`."""
        over = begin + units * self.unit + (self.reserve if batch else 0.0)
        latest = begin + self.burst
        return Opening(min(over, latest), latest + self.grace)

    def slowed(self, share: float) -> "Flow":
        """With a part of its rate, and no more at once than anybody lets pass: what the provider was thought to have
        in its bucket is not there.
        """
        burst, grace = _slack(_BUCKET_SECONDS)
        return Flow(self.unit / share, min(self.burst, burst), min(self.grace, grace))


def flow_of(limit: Limit) -> Flow:
    burst, grace = _slack(_BUCKET_SECONDS if limit.bucket is None else limit.bucket)
    counted_in_windows = limit.bucket is None and limit.window > _BUCKET_SECONDS
    unit = (limit.window + (burst + grace if counted_in_windows else 0.0)) / limit.amount
    if unit > burst:
        # One by one: two calls must not come closer than the provider's own interval, however late the first one is.
        grace = min(grace, max(unit / 40, _SHORTEST_GRACE))
        unit = max(unit, limit.window / limit.amount + grace)
    return Flow(unit, burst, grace)


def _slack(bucket: float) -> tuple[float, float]:
    """Burst and grace."""
    grace = min(bucket * _GRACE, _LONGEST_GRACE)
    return bucket * _USED - grace, grace


def narrower(one: Flow | None, other: Flow | None) -> Flow | None:
    """What keeps both limits."""
    if one is None or other is None:
        return one or other
    return Flow(max(one.unit, other.unit), min(one.burst, other.burst), min(one.grace, other.grace))
