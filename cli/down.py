"""`sluice down`: end what `sluice up` started, in order."""

import os
import signal
import time
from typing import Annotated, Final

import typer

__all__ = ["down"]

_LOOK_SECONDS: Final = 0.05


def down(
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds to wait for running jobs to end or be handed over.")
    ] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="Say what was done as JSON.")] = False,
) -> None:
    """End the stack of this folder, in order; its data stays.

    The gateway takes nothing new, workers end or hand over what they run, then the servers end. Jobs that have not
    ended are there at the next `sluice up`. It is no error when nothing runs.

    \b
    Examples:
      sluice down
      rm -rf .sluice        # afterwards: forget all data as well
    """
    from cli.environment import here
    from cli.printing import print_json, remark, say
    from cli.stack.state import is_held, owner
    from shared.errors import OperatorError

    environment = here()
    pid, lock = owner(environment.folder), environment.folder.lock
    if pid is None:
        print_json({"ended": None}) if as_json else remark("Nothing runs here.")
        return
    os.kill(pid, signal.SIGTERM)
    give_up_at = time.monotonic() + timeout
    while is_held(lock):
        if time.monotonic() > give_up_at:
            raise OperatorError(
                f"It is still ending after {timeout:g} s (pid {pid}); run `sluice down` again to press it."
            )
        time.sleep(_LOOK_SECONDS)
    print_json({"ended": pid}) if as_json else say("Ended; the data is kept.")
