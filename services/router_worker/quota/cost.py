"""How many tokens will a call take? Reckoned before it, as most providers do: its input, and as much output as was
asked for at most; where nothing was asked, as much as this deployment says as a rule. Pure.
"""

from dataclasses import dataclass
from typing import Final

from shared.contracts import Endpoint, Job

__all__ = ["Expectation"]

_UNKNOWN: Final = 512.0
_NEWEST_COUNTS: Final = 0.05


@dataclass(slots=True)
class Expectation:
    """What answers take that nobody has bounded."""

    output: float = _UNKNOWN

    def of(self, job: Job) -> int:
        asked = _asked(job)
        return job.input_tokens + (int(self.output) if asked is None else asked)

    def learn(self, job: Job, used: int) -> None:
        """The call took so many tokens in all."""
        if _asked(job) is None:
            self.output += (max(0, used - job.input_tokens) - self.output) * _NEWEST_COUNTS


def _asked(job: Job) -> int | None:
    """A job that left its body in the blob store says nothing of it here."""
    if job.endpoint is Endpoint.EMBEDDINGS:
        return 0
    longest = job.body.get("max_completion_tokens") or job.body.get("max_tokens")
    choices = job.body.get("n") or 1
    return longest * choices if isinstance(longest, int) and isinstance(choices, int) else None
