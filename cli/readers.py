"""Who reads a job's events: a person at a terminal, a pipe that wants the answer, a program that wants everything."""

import json
import sys
from typing import Protocol

from cli.printing import print_json_line, remark
from cli.transcript import Ended, Transcript, answer_text, summary
from services.router_worker.providers.sse import ServerSentEvent
from shared.contracts import JobEnded, JobStatus

__all__ = ["AnswerReader", "EventReader", "LiveReader", "Reader"]


class Reader(Protocol):
    def take(self, event: ServerSentEvent) -> JobEnded | None:
        """How the job ended, when this was its last event. Raises ValueError for an event that cannot be read."""
        ...


class LiveReader:
    """Shows each token as it comes."""

    def __init__(self) -> None:
        self._transcript = Transcript()
        self._mid_line = False

    def take(self, event: ServerSentEvent) -> JobEnded | None:
        for piece in self._transcript.read(event.event, event.data):
            if isinstance(piece, Ended):
                return self._end(piece.outcome)
            if piece.kind == "text":
                self._write(piece.text)
            else:
                self._break_line()
                remark(f"({piece.text})")
        return None

    def _end(self, outcome: JobEnded) -> JobEnded:
        if not self._transcript.shown and outcome.status is JobStatus.SUCCEEDED:
            self._write(answer_text(outcome.response))
        self._break_line()
        remark(summary(outcome))
        return outcome

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
        self._mid_line = not text.endswith("\n")

    def _break_line(self) -> None:
        if self._mid_line:
            self._write("\n")


class AnswerReader:
    """Writes the answer once it stands: what a restart made void must not be in a file."""

    def __init__(self) -> None:
        self._transcript = Transcript()

    def take(self, event: ServerSentEvent) -> JobEnded | None:
        for piece in self._transcript.read(event.event, event.data):
            if isinstance(piece, Ended):
                outcome = piece.outcome
                if outcome.response is not None:
                    sys.stdout.write(answer_text(outcome.response) + "\n")
                remark(summary(outcome))
                return outcome
        return None


class EventReader:
    """Writes every event as a line of JSON."""

    def take(self, event: ServerSentEvent) -> JobEnded | None:
        print_json_line({"id": event.id, "event": event.event, "data": json.loads(event.data)})
        for piece in Transcript().read(event.event, event.data):
            if isinstance(piece, Ended):
                return piece.outcome
        return None
