"""What a command's exit code tells the script that called it. The help of `sluice` prints this table."""

from enum import IntEnum
from types import MappingProxyType
from typing import Final

__all__ = ["MEANINGS", "ExitCode"]


class ExitCode(IntEnum):
    OK = 0
    SETUP = 1
    USAGE = 2
    DEFECT = 3
    SOME_FAILED = 4
    TIMED_OUT = 5
    INTERRUPTED = 130


MEANINGS: Final = MappingProxyType(
    {
        ExitCode.OK: "done",
        ExitCode.SETUP: "something has to be set right first; stderr says what, in one line",
        ExitCode.USAGE: "the command line was not understood",
        ExitCode.DEFECT: "a defect in Sluice; stderr has the traceback",
        ExitCode.SOME_FAILED: "done in part: lines were refused, jobs did not succeed, or an id was not known",
        ExitCode.TIMED_OUT: "the time given with --timeout was over first",
        ExitCode.INTERRUPTED: "interrupted with Ctrl-C",
    }
)
