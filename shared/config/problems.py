"""What is wrong with a configuration, and where: every problem names its path in the file, and its line if known."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from shared.errors import OperatorError

__all__ = ["ConfigError", "Problem", "did_you_mean"]


@dataclass(frozen=True, slots=True)
class Problem:
    path: str
    """For example `models.gpt-4o.deployments[1].provider`; empty for the file as a whole."""
    message: str
    line: int | None = None


class ConfigError(OperatorError):
    """The configuration cannot be used; lists everything that is wrong with it, a problem a line."""

    def __init__(self, source: str, problems: tuple[Problem, ...]) -> None:
        self.source = source
        self.problems = problems
        super().__init__("\n".join(self._line(problem) for problem in problems))

    def _line(self, problem: Problem) -> str:
        place = self.source if problem.line is None else f"{self.source}:{problem.line}"
        return f"{place}: {problem.path}: {problem.message}" if problem.path else f"{place}: {problem.message}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the nearest known one, and all of them."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    guess = f"did you mean `{near[0]}`? " if near else ""
    return f"{guess}known: {', '.join(names) or 'none'}"
