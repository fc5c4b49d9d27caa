"""Is what readers pieced together the answer that the result holds? Token by token against the whole."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import orjson

from cli.demonstration.checks.verdict import Verdict
from cli.demonstration.evidence import ChatReading, Event, Evidence
from shared.contracts import JobEnded, JobStatus, JsonObject
from shared.job_log import EventType

__all__ = ["chat_clients_read_the_answer", "streamed_text_is_the_answer"]

RESTARTED: Final = b"restart"
"""Stands for a `restart` among the shown chunks: what was shown before is void."""


def streamed_text_is_the_answer(evidence: Evidence) -> Verdict:
    endings = evidence.ending_by_job()
    faults, characters, restarts = [], 0, 0
    for stream in evidence.streams:
        shown = _shown_by_log(stream.log)
        text = _text(shown)
        characters += sum(map(len, text.values()))
        restarts += shown.count(RESTARTED)
        faults += [f"{stream.job}: {fault}" for fault in _against(endings.get(stream.job), text)]
        faults += [f"{stream.job}: {fault}" for fault in _told_end(endings.get(stream.job), stream.log)]
    finding = f"{len(evidence.streams)} streams, {characters:,} characters, {restarts} begun again on the way"
    return Verdict("what was streamed is the answer in the result", finding, tuple(faults))


def chat_clients_read_the_answer(evidence: Evidence) -> Verdict:
    endings = evidence.ending_by_job()
    logs = {stream.job: _shown_by_log(stream.log) for stream in evidence.streams}
    faults = [
        f"{chat.job}: {fault}"
        for chat in evidence.chats
        for fault in _chat_faults(chat, endings.get(chat.job), logs.get(chat.job))
    ]
    streamed = sum(chat.answer is None for chat in evidence.chats)
    left = sum(chat.left for chat in evidence.chats)
    finding = f"{len(evidence.chats)} calls, {streamed} streamed, {left} hung up and went on at the job's events"
    return Verdict("OpenAI clients read the same answers", finding, tuple(faults))


def _chat_faults(chat: ChatReading, ending: JobEnded | None, logged: Sequence[bytes] | None) -> Iterator[str]:
    if chat.answer is not None:
        if ending is None or chat.answer != ending.response:
            yield "the body of the answer is not the response of the result"
        return
    shown = [RESTARTED if _is_restart(chunk) else chunk for chunk in chat.chunks]
    if logged is None:
        yield "its log was not read"
    elif list(logged[: len(shown)]) != shown:
        yield "the client was shown what is not in the log"
    elif not chat.left and not chat.completed:
        yield "the stream ended without [DONE]"
    elif chat.completed and len(shown) != len(logged):
        yield f"the client was shown {len(shown)} of {len(logged)} chunks"


def _against(ending: JobEnded | None, text: dict[int, str]) -> Iterator[str]:
    if ending is None:
        yield "streamed, and has no result"
        return
    if ending.status is not JobStatus.SUCCEEDED:
        return  # what had arrived is kept as it is, and told by another check
    for index, said in _contents(ending.response).items():
        if text.get(index, "") != said:
            yield f"choice {index} has {len(text.get(index, ''))} characters in the stream, {len(said)} in the result"


def _told_end(ending: JobEnded | None, log: Sequence[Event]) -> Iterator[str]:
    if ending is not None and log and JobEnded.model_validate_json(log[-1].data) != ending:
        yield "its terminal event says something else than the results topic"


def _shown_by_log(log: Iterable[Event]) -> list[bytes]:
    return [
        event.data if event.type == EventType.DELTA else RESTARTED
        for event in log
        if event.type in (EventType.DELTA, EventType.RESTART)
    ]


def _text(shown: Sequence[bytes]) -> dict[int, str]:
    """The text of each choice since the last restart."""
    text: dict[int, list[str]] = defaultdict(list)
    for chunk in shown:
        if chunk == RESTARTED:
            text.clear()
            continue
        for choice in orjson.loads(chunk)["choices"]:
            text[choice["index"]].append(choice["delta"].get("content") or "")
    return {index: "".join(pieces) for index, pieces in text.items()}


def _contents(response: JsonObject | None) -> dict[int, str]:
    choices: Any = (response or {}).get("choices") or []
    return {choice["index"]: choice["message"].get("content") or "" for choice in choices}


def _is_restart(chunk: bytes) -> bool:
    told = orjson.loads(chunk).get("sluice")
    return isinstance(told, dict) and told.get("event") == "restart"
