"""A submission from its first line to its last: what is in already is passed over, the rest goes through the door."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from cli.submission.board import Board, Outcome
from cli.submission.door import Accepted, Door, Fate, RefusedLine, Unknown
from cli.submission.journal import Became, Journal
from cli.submission.lines import BadLine, Line
from cli.submission.waiting import Ending, Wait

__all__ = ["Submission", "Tally"]


@dataclass(slots=True)
class Tally:
    lines: int = 0
    accepted: int = 0
    earlier: int = 0
    refused: int = 0
    unknown: int = 0
    ended: int = 0
    succeeded: int = 0
    shared_name: str | None = None
    """A `custom_id` of more than one line."""

    @property
    def is_whole(self) -> bool:
        """Every line is in."""
        return self.refused == self.unknown == 0

    def told(self) -> str:
        return f"{self.accepted + self.earlier} of {self.lines} lines accepted{self._rest()}"

    def so_far(self) -> str:
        """Of a submission that did not come to its end."""
        return f"{self.accepted + self.earlier} lines accepted so far{self._rest()}"

    def _rest(self) -> str:
        parts = [""]
        if self.earlier:
            parts.append(f"{self.earlier} of them by an earlier run")
        if self.refused:
            parts.append(f"{self.refused} refused")
        if self.unknown:
            parts.append(f"{self.unknown} without an answer")
        if self.ended:
            parts.append(f"{self.succeeded} succeeded")
        if self.ended > self.succeeded:
            parts.append(f"{self.ended - self.succeeded} did not")
        return ", ".join(parts) + "."


@dataclass(slots=True)
class Submission:
    journal: Journal
    board: Board
    tally: Tally = field(default_factory=Tally)
    accepted: list[Accepted] = field(default_factory=list)
    """Those of earlier runs too."""
    _names: set[str] = field(default_factory=set)

    def send(self, lines: Iterable[Line | BadLine], door: Door) -> None:
        """Raises OperatorError when the door is shut; the tally and the journal then say how far it came."""
        door.send(self._new_ones(lines), self._settled, self.journal.submission)

    def wait(self, wait: Wait, give_up_at: float) -> bool:
        """Whether all of them have ended in time."""
        self.board.wait_for(len(self.accepted))
        return wait.wait(self.accepted, self._ended, give_up_at)

    def _new_ones(self, lines: Iterable[Line | BadLine]) -> Iterator[Line]:
        for line in lines:
            self.tally.lines += 1
            self._note_name(line.custom_id)
            if isinstance(line, BadLine):
                self.tally.refused += 1
                self.board.line(Outcome(line.number, line.custom_id, "refused", why=line.why))
            elif became := self.journal.accepted.get(line.fingerprint):
                self.tally.earlier += 1
                self.accepted.append(Accepted(line, became.job, became.record))
                self.board.line(Outcome(line.number, line.custom_id, "queued earlier", became.job))
            else:
                yield line

    def _note_name(self, custom_id: str | None) -> None:
        if custom_id in self._names:
            self.tally.shared_name = custom_id
        elif custom_id is not None:
            self._names.add(custom_id)

    def _settled(self, fate: Fate) -> None:
        match fate:
            case Accepted(line, job, record):
                self.tally.accepted += 1
                self.journal.note(line.fingerprint, Became(job, record))
                self.accepted.append(fate)
                self.board.line(Outcome(line.number, line.custom_id, "queued", job))
            case RefusedLine(line, why):
                self.tally.refused += 1
                self.board.line(Outcome(line.number, line.custom_id, "refused", why=why))
            case Unknown(line, why):
                self.tally.unknown += 1
                self.board.line(Outcome(line.number, line.custom_id, "unknown", why=why))

    def _ended(self, ending: Ending) -> None:
        self.tally.ended += 1
        self.tally.succeeded += ending.status == "succeeded"
        self.board.end(ending)
