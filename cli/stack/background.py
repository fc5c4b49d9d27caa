"""`sluice up --detach`: the same `up` in a session of its own, waited for until it is ready or has given up."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cli.stack.folder import StackFolder
from cli.stack.state import Phase, StackState, running_stack_state
from shared.errors import OperatorError

__all__ = ["started_in_background"]

_PATIENCE_SECONDS: Final = 180.0
"""Longer than `up` itself waits for anything; the first start downloads Kafka."""

_LOOK_SECONDS: Final = 0.1


def started_in_background(arguments: Sequence[str], folder: StackFolder) -> StackState:
    """The state of the stack once it is ready. Raises OperatorError with the reasons of an `up` that gave up."""
    log = folder.log("up")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "cli", "up", "--foreground", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        return _until_ready(process, folder, log)
    except BaseException:  # Ctrl-C as well: nothing half-started stays behind
        process.terminate()
        process.wait()
        raise


def _until_ready(process: "subprocess.Popen[bytes]", folder: StackFolder, log: Path) -> StackState:
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < give_up_at:
        if process.poll() is not None:
            raise OperatorError(_complaints(log))
        state = running_stack_state(folder)
        if state is not None and state.pid == process.pid and state.phase is Phase.READY:
            return state
        time.sleep(_LOOK_SECONDS)
    raise OperatorError(f"It is not ready after {_PATIENCE_SECONDS:.0f} s; its log is {os.path.relpath(log)}.")


def _complaints(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    told = [line.removeprefix("sluice: ") for line in lines if line.startswith("sluice: ")]
    return "\n".join(told) or f"`sluice up` ended at once; its log is {os.path.relpath(log)}."
