"""Whose job is a record, for which model, what does it cost of its tenant's share, and when may it go? Pure, without
reading the job.

The cost is an estimate in tokens: the input, which ingress has counted, and as much output as was asked for at most.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

__all__ = ["NOBODY", "Weight", "weigh"]

_UNASKED_OUTPUT: Final = 1024
"""Tokens of a choice whose length the caller leaves to the model."""
_MOST: Final = 1_000_000
"""An absurd request must not keep its tenant's other jobs waiting for ever."""


@dataclass(frozen=True, slots=True)
class Weight:
    tenant: str
    cost: int
    not_before: datetime | None = None
    deadline: datetime | None = None
    model: str = ""


NOBODY: Final = Weight("", 1)
"""Of a record that cannot be read: it waits in a queue of its own for being buried."""


def weigh(value: bytes) -> Weight:
    try:
        job: object = orjson.loads(value)
    except orjson.JSONDecodeError:
        return NOBODY
    match job:
        case {"tenant": str(tenant), "input_tokens": int(given), "body": dict(body), **others}:
            cost = min(given + _output(body), _MOST)
            model = others.get("model")
            return Weight(
                tenant,
                cost,
                _moment(others.get("not_before")),
                _moment(others.get("deadline")),
                model if isinstance(model, str) else "",
            )
        case _:
            return NOBODY


def _output(body: dict[object, object]) -> int:
    longest = body.get("max_completion_tokens") or body.get("max_tokens") or _UNASKED_OUTPUT
    choices = body.get("n") or 1
    return longest * choices if isinstance(longest, int) and isinstance(choices, int) else _UNASKED_OUTPUT


def _moment(text: object) -> datetime | None:
    """None for what is no moment, or one without a time zone: whoever reads the job itself will say so."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
