"""From the entries of a job's log to what an OpenAI client reads. Pure.

A delta is handed on as it is: it holds a ready `chat.completion.chunk`. What cannot be unsaid decides the rest: before
the first delta an error may still be the answer itself, after it only one more `data:` line, without `[DONE]`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from services.ingress.api.problems import Problem, answer_not_kept, interrupted, of_ended
from services.ingress.api.sse import data_frame
from services.ingress.ports import JobRecord
from services.ingress.tail import STORED_SEQ
from shared.contracts import Interruption, Job, JobEnded, JsonObject
from shared.ids import completion_id
from shared.job_log import Entry, EventType

__all__ = ["Said", "Transcript"]

_DONE: Final = data_frame(b"[DONE]")


@dataclass(frozen=True, slots=True)
class Said:
    frames: bytes = b""
    finished: bool = False
    problem: Problem | None = None
    """Why it is finished without an answer; not yet in the frames."""


class Transcript:
    def __init__(self, job: Job | JobRecord, on_interrupt: Interruption) -> None:
        self._job = job
        self._on_interrupt = on_interrupt
        self._shown = False

    def say(self, entries: Sequence[Entry]) -> Said:
        frames: list[bytes] = []
        for entry in entries:
            if entry.type is EventType.DELTA:
                self._shown = True
                frames.append(data_frame(entry.data))
            elif entry.type is EventType.RESTART and self._shown:
                if self._on_interrupt is Interruption.FAIL:
                    return Said(b"".join(frames), finished=True, problem=interrupted())
                frames.append(data_frame(self._restart()))
            elif entry.type.is_terminal:
                return self._end(frames, entry)
        return Said(b"".join(frames))

    def _end(self, frames: list[bytes], entry: Entry) -> Said:
        if entry.type is not EventType.DONE:
            return Said(b"".join(frames), finished=True, problem=of_ended(JobEnded.model_validate_json(entry.data)))
        if entry.cursor.seq == STORED_SEQ:
            # The log was lost behind the job's end. Whole answers can still be given, halves cannot be completed.
            response = JobEnded.model_validate_json(entry.data).response
            if self._shown or response is None:
                problem = interrupted() if self._shown else answer_not_kept()
                return Said(b"".join(frames), finished=True, problem=problem)
            frames.append(data_frame(orjson.dumps(_as_chunk(response))))
        return Said(b"".join(frames) + _DONE, finished=True)

    def _restart(self) -> bytes:
        """What was shown is void; the answer begins again."""
        return orjson.dumps(
            {
                "id": completion_id(self._job.id),
                "object": "chat.completion.chunk",
                "created": int(self._job.accepted_at.timestamp()),
                "model": self._job.model,
                "choices": [],
                "sluice": {"event": "restart"},
            }
        )


def _as_chunk(completion: JsonObject) -> JsonObject:
    """A finished answer as a stream of one chunk."""
    chunk = {name: value for name, value in completion.items() if name != "choices"}
    chunk["object"] = "chat.completion.chunk"
    choices = completion.get("choices")
    chunk["choices"] = (
        [_as_delta(each) for each in choices if isinstance(each, dict)] if isinstance(choices, list) else []
    )
    return chunk


def _as_delta(choice: JsonObject) -> JsonObject:
    delta = {name: value for name, value in choice.items() if name != "message"}
    message = choice.get("message")
    delta["delta"] = message if isinstance(message, dict) else {}
    return delta
