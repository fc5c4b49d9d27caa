"""Whose job is a record, and how much of its tenant's share does it cost? Pure, and far cheaper than reading the job.

The cost is an estimate in tokens: the input, which ingress has counted, and as much output as was asked for at most.
"""

from dataclasses import dataclass
from typing import Final

import orjson

__all__ = ["NOBODY", "Weight", "weigh"]

_UNASKED_OUTPUT: Final = 1024
"""Tokens of a choice whose length the caller leaves to the model."""


@dataclass(frozen=True, slots=True)
class Weight:
    tenant: str
    cost: int


NOBODY: Final = Weight("", 1)
"""Of a record that cannot be read: it waits in a queue of its own for being buried."""


def weigh(value: bytes) -> Weight:
    try:
        job: object = orjson.loads(value)
    except orjson.JSONDecodeError:
        return NOBODY
    match job:
        case {"tenant": str(tenant), "input_tokens": int(given), "body": dict(body)}:
            return Weight(tenant, given + _output(body))
        case _:
            return NOBODY


def _output(body: dict[object, object]) -> int:
    longest = body.get("max_completion_tokens") or body.get("max_tokens") or _UNASKED_OUTPUT
    choices = body.get("n") or 1
    return longest * choices if isinstance(longest, int) and isinstance(choices, int) else _UNASKED_OUTPUT
