"""The gateway's door for many: some lines a request, a few requests at once, again what it could not take just now.

A request has an idempotency key, so that it may be sent again whatever became of its answer: by this run, and by the
next one, if this one is killed before it has written down what the gateway said.
"""

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
"""In a request: as many as the gateway queues at once."""
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

    def send(self, lines: Iterable[Line], settled: Callable[[Fate], None], submission: str) -> None:
        shut: str | None = None
        leaving = Event()
        running: set[Future[_Sent]] = set()
        with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
            try:
                for chunk in _chunks(lines):
                    running.add(pool.submit(self._send_chunk, chunk, _key(submission, chunk), leaving))
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

    def _send_chunk(self, chunk: list[Line], key: str, leaving: Event) -> _Sent:
        """Sent again as a whole, under the same key, until each line has its answer: none becomes two jobs."""
        answers: Sequence[LineAnswer] = ()
        why, lost = "", None
        for attempt in range(1, _TRIES + 1):
            pause = _BACKOFF.delay(attempt, random.random())  # noqa: S311 - jitter, not a secret
            why = "The gateway cannot take jobs at the moment."
            try:
                answers = self.gateway.submit_lines(
                    [line.raw for line in chunk], {**self.headers, "idempotency-key": key}
                )
            except RefusedError as refusal:
                return _Sent([RefusedLine(line, str(refusal)) for line in chunk])
            except GatewayAwayError as away:
                pause = away.retry_after_seconds or pause
                why = str(away)
            except UnansweredError as broken:
                why = lost = str(broken)
            else:
                lost = None if len(answers) == len(chunk) else "The gateway did not answer for it."
                if lost is None and all(map(_is_final, answers)):
                    return _Sent([_fate(line, answer) for line, answer in zip(chunk, answers, strict=True)])
            if attempt == _TRIES or leaving.wait(pause):
                break
        return _Sent(_fates_so_far(chunk, answers, lost), shut=why)


def _key(submission: str, chunk: Sequence[Line]) -> str:
    """The same for the same lines of the same submission."""
    return hashlib.sha256("\n".join([submission, *(line.fingerprint for line in chunk)]).encode()).hexdigest()


def _is_final(answer: LineAnswer) -> bool:
    return answer.error is None or answer.error.type != "server_error"


def _fates_so_far(chunk: Sequence[Line], answers: Sequence[LineAnswer], lost: str | None) -> list[Fate]:
    """Of a chunk that is given up. What was never taken has none: it was not sent."""
    told = {line: answer for line, answer in zip(chunk, answers, strict=False) if _is_final(answer)}
    fates: list[Fate] = [_fate(line, answer) for line, answer in told.items()]
    return fates + [Unknown(line, lost) for line in chunk if lost and line not in told]


def _chunks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Where lines are left out, being in already, a chunk ends: the others are cut as they were before."""
    chunk: list[Line] = []
    size = 0
    for line in lines:
        is_full = len(chunk) == _LINES or size + len(line.raw) > _BYTES
        if chunk and (is_full or line.index != chunk[-1].index + 1):
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
