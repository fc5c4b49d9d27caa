"""The gateway's door for many: some lines a request, a few requests at once, again what it could not take just now."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event
from typing import Final

from cli.gateway import Gateway, GatewayAwayError, RefusedError, UnansweredError
from cli.submission.door import Accepted, Fate, RefusedLine, Unknown
from cli.submission.lines import Line
from services.ingress.api.schemas import LineAnswer
from shared.backoff import Backoff
from shared.errors import OperatorError

__all__ = ["HttpDoor"]

_LINES: Final = 64
"""In a request: as many as the gateway queues at once, and no more, for they share an uncertain fate if it breaks."""
_BYTES: Final = 1_000_000
_REQUESTS_AT_ONCE: Final = 4
_TRIES: Final = 8
"""Over half a minute or so: a gateway that restarts is waited for, one that is gone is not."""
_BACKOFF: Final = Backoff(base_seconds=0.5, cap_seconds=10.0)


@dataclass(frozen=True, slots=True)
class _Sent:
    fates: list[Fate]
    shut: str | None = None
    """Why some of the lines could not be sent at all."""


@dataclass(frozen=True, slots=True)
class HttpDoor:
    gateway: Gateway
    headers: Mapping[str, str]

    def send(self, lines: Iterable[Line], settled: Callable[[Fate], None]) -> None:
        shut: str | None = None
        leaving = Event()
        running: set[Future[_Sent]] = set()
        with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
            try:
                for chunk in _chunks(lines):
                    running.add(pool.submit(self._send_chunk, chunk, leaving))
                    if len(running) == _REQUESTS_AT_ONCE:
                        running, shut = _settle_some(running, settled)
                    if shut:
                        break
            except BaseException:
                leaving.set()
                raise
            finally:  # after Ctrl-C too: what has been sent must be remembered
                while running:
                    running, also_shut = _settle_some(running, settled)
                    shut = shut or also_shut
        if shut:
            raise OperatorError(shut)

    def _send_chunk(self, lines: list[Line], leaving: Event) -> _Sent:
        fates: list[Fate] = []
        why = ""
        for attempt in range(1, _TRIES + 1):
            pause = _BACKOFF.delay(attempt, random.random())  # noqa: S311 - jitter, not a secret
            try:
                told, lines = self._ask(lines)
                fates += told
                why = "The gateway cannot take jobs at the moment."
            except GatewayAwayError as away:
                pause = away.retry_after_seconds or pause
                why = str(away)
            if not lines:
                return _Sent(fates)
            if attempt == _TRIES or leaving.wait(pause):
                break
        return _Sent(fates, shut=why)

    def _ask(self, lines: list[Line]) -> tuple[list[Fate], list[Line]]:
        """What is settled, and what may be sent again because none of it became a job. Raises GatewayAwayError."""
        try:
            answers = self.gateway.submit_lines([line.raw for line in lines], self.headers)
        except UnansweredError as broken:
            return [Unknown(line, str(broken)) for line in lines], []
        except RefusedError as refusal:
            return [RefusedLine(line, str(refusal)) for line in lines], []
        settled: list[Fate] = [Unknown(line, "the gateway did not answer for it") for line in lines[len(answers) :]]
        again: list[Line] = []
        for line, answer in zip(lines, answers, strict=False):
            if answer.error is not None and answer.error.type == "server_error":
                again.append(line)
            else:
                settled.append(_fate(line, answer))
        return settled, again


def _chunks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    chunk: list[Line] = []
    size = 0
    for line in lines:
        if chunk and (len(chunk) == _LINES or size + len(line.raw) > _BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(line)
        size += len(line.raw)
    if chunk:
        yield chunk


def _settle_some(running: set[Future[_Sent]], settled: Callable[[Fate], None]) -> tuple[set[Future[_Sent]], str | None]:
    done, rest = wait(running, return_when=FIRST_COMPLETED)
    shut = None
    for future in done:
        sent = future.result()
        shut = shut or sent.shut
        for fate in sent.fates:
            settled(fate)
    return rest, shut


def _fate(line: Line, answer: LineAnswer) -> Fate:
    if answer.id is not None:
        return Accepted(line, answer.id)
    return RefusedLine(line, answer.error.message if answer.error else "refused without a reason")
