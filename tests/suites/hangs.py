"""Where a test hangs: a stack of the thread only shows an event loop that waits, its tasks show for what."""

import asyncio
import gc
from collections.abc import Iterator
from types import AsyncGeneratorType
from typing import Any

import pytest


def is_timeout(failure: BaseException) -> bool:
    return isinstance(failure, pytest.fail.Exception) and "pytest-timeout" in str(failure)


def waiting_tasks() -> str:
    """Every task of this process that has not ended, with the awaits it is in, outermost first.

    The awaits end at an asynchronous generator, as a fixture is one: those that wait follow the tasks.
    """
    everything = gc.get_objects()
    tasks = {
        each.get_name(): each.get_coro() for each in everything if isinstance(each, asyncio.Task) and not each.done()
    }
    generators = {
        each.__qualname__: each for each in everything if isinstance(each, AsyncGeneratorType) and each.ag_await
    }
    return "\n".join(line for name, awaited in (tasks | generators).items() for line in (name, *_awaits(awaited)))


def _awaits(awaited: Any) -> Iterator[str]:
    while awaited is not None:
        kind = next((each for each in ("cr", "ag", "gi") if hasattr(awaited, f"{each}_frame")), None)
        if kind is None:
            yield f"    {awaited!r}"
            return
        if (frame := getattr(awaited, f"{kind}_frame")) is not None:
            yield f"    {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}"
        awaited = getattr(awaited, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
