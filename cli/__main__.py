"""Where the command line begins and ends: the only place where what went wrong becomes a line and an exit code."""

import logging
import os
import sys
import traceback
from collections.abc import Iterator

from cli.exit_codes import ExitCode
from cli.printing import complain
from shared.errors import OperatorError

__all__ = ["main"]


def main() -> None:
    """Always ends with SystemExit."""
    try:
        from cli.registry import application

        _quiet_libraries()
        application()(prog_name="sluice")
    except KeyboardInterrupt:  # so early that no command had begun
        sys.exit(ExitCode.INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the one edge; nothing is swallowed, all of it is told
        sys.exit(_told(error))


def _told(error: Exception) -> ExitCode:
    causes = list(_leaves(error))
    if all(isinstance(cause, OperatorError) for cause in causes):
        for line in dict.fromkeys(str(cause) for cause in causes):
            complain(line)
        return ExitCode.SETUP
    traceback.print_exception(error)
    complain("This is a defect in Sluice. Please report it with the lines above.")
    return ExitCode.DEFECT


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """A task group wraps what its tasks raise, at any depth."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _quiet_libraries() -> None:
    """Client libraries log each failed attempt; a command says what came of it. SLUICE_LOG_LEVEL=debug shows all."""
    level = os.environ.get("SLUICE_LOG_LEVEL", "").upper()
    logging.basicConfig(level=logging.DEBUG if level == "DEBUG" else logging.CRITICAL + 1)


if __name__ == "__main__":
    main()
