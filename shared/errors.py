"""Who must react? Failures that only the operator can mend; everything else is sorted where it is handled."""

__all__ = ["OperatorError"]


class OperatorError(Exception):
    """The set-up is wrong: told as plain lines without a traceback, and the process ends with exit code 1."""
