"""Who is told to stop in the middle of a library's call stops, whatever the library makes of it.

What comes out of a block takes the place of the cancellation that went in: the failure of a connection that breaks
while its pool takes it back, or a result that arrived in the same moment. A loop around it would go on, and whoever
waits for its end would wait for ever.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["cancellation_heard"]


@contextmanager
def cancellation_heard() -> Iterator[None]:
    """For a block in a task. One that is cancelled meanwhile ends in CancelledError."""
    before = _cancellations()
    try:
        yield
    except Exception as error:
        if _cancellations() > before:
            raise asyncio.CancelledError from error
        raise
    if _cancellations() > before:
        raise asyncio.CancelledError


def _cancellations() -> int:
    """How many this task has been told of; a timeout takes its own back."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()
