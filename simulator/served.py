"""What was really served: one record per call, in memory and, on request, in a JSONL file. This is the truth that a
ledger is compared with, so a record is written when a call ends, however it ends, and flushed at once."""

import os
from collections import deque
from copy import deepcopy
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO, Final, Literal

import orjson

from simulator.exchange import Request

__all__ = ["Call", "How", "LogUnreadableError", "ModelTotals", "Served", "ServedLog", "Totals"]

_MAX_REQUEST_BYTES: Final = 64 * 1024 * 1024

How = Literal["completed", "cut", "client_left", "error", "stalled", "hung_up", "stopped"]
"""`stalled`: the client left during a scripted silence. `stopped`: the simulator was stopped under the call."""


@dataclass(frozen=True, slots=True)
class Served:
    """One call that has ended. Times are Unix seconds."""

    seq: int
    """Counts from 1 in the order in which calls ended."""
    call_id: str
    client_request_id: str | None
    """The `x-client-request-id` header."""
    api_key: str | None
    """A fingerprint of the key."""
    model: str | None
    stream: bool
    started_at: float
    first_token_at: float | None
    ended_at: float
    status: int | None
    """None: no status line was sent."""
    finished: How
    fault: str | None
    """The fault that was chosen for this call, named by its key in the script."""
    prompt_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    output_tokens: int
    """What the client can know: the reported ones, or without a report the written ones. Compare a ledger with this."""
    output_tokens_written: int
    """Tokens of the visible answer whose last byte was handed to the socket. An answer that is not streamed counts when
    all of it is out."""
    output_tokens_reported: int | None
    """What the usage said, if one was sent; reasoning tokens are part of it."""
    body_sha256: str
    """Of the request."""


@dataclass(slots=True)
class Call:
    """A call under way; whoever serves it notes here what happens."""

    call_id: str
    request: Request
    started_at: float
    body_sha256: str
    model: str | None = None
    api_key: str | None = None
    stream: bool = False
    status: int | None = None
    fault: str | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    first_token_at: float | None = None
    written: int = 0
    reported: int | None = None


@dataclass(slots=True)
class ModelTotals:
    calls: int = 0
    prompt_tokens: int = 0
    """Of the calls that got as far as an answer."""
    cached_tokens: int = 0
    output_tokens: int = 0
    output_tokens_written: int = 0
    output_tokens_reported: int = 0


@dataclass(slots=True)
class Totals(ModelTotals):
    """Sums over all calls that have ended."""

    in_flight: int = 0
    """Calls that have not."""
    by_finish: dict[str, int] = field(default_factory=dict)
    by_status: dict[str, int] = field(default_factory=dict)
    by_model: dict[str, ModelTotals] = field(default_factory=dict)


class LogUnreadableError(Exception):
    """The file to go on with was not written by this simulator."""


class ServedLog:
    """Keeps the last records and requests in memory; totals and the file are complete."""

    def __init__(self, *, keep: int, keep_requests: int, file: Path | None = None) -> None:
        """With a `file` that exists it goes on where that ends. Raises OSError or LogUnreadableError."""
        self._records: deque[Served] = deque(maxlen=keep)
        self._requests: dict[str, Request] = {}
        self._keep_requests = keep_requests
        self._request_bytes = 0
        self._totals = Totals()
        self._in_flight = 0
        self._seq = 0
        self._file: IO[bytes] | None = None
        if file is not None:
            self._resume(file)
            self._file = file.open("ab")

    def begin(self, call_id: str, request: Request, now: float) -> Call:
        self._in_flight += 1
        self._keep_request(request.header(b"x-client-request-id") or call_id, request)
        return Call(call_id, request, now, sha256(request.body).hexdigest())

    def end(self, call: Call, how: How, now: float) -> Served:
        self._in_flight -= 1
        record = Served(
            seq=self._seq + 1,
            call_id=call.call_id,
            client_request_id=call.request.header(b"x-client-request-id"),
            api_key=call.api_key,
            model=call.model,
            stream=call.stream,
            started_at=call.started_at,
            first_token_at=call.first_token_at,
            ended_at=now,
            status=call.status,
            finished=how,
            fault=call.fault,
            prompt_tokens=call.prompt_tokens,
            cached_tokens=call.cached_tokens,
            reasoning_tokens=call.reasoning_tokens,
            output_tokens=call.written if call.reported is None else call.reported,
            output_tokens_written=call.written,
            output_tokens_reported=call.reported,
            body_sha256=call.body_sha256,
        )
        self._keep(record)
        if self._file:
            self._file.write(orjson.dumps(record) + b"\n")
            self._file.flush()
        return record

    def after(self, seq: int) -> list[Served]:
        """The kept records behind `seq`, in order."""
        return [record for record in self._records if record.seq > seq]

    def totals(self) -> Totals:
        totals = deepcopy(self._totals)
        totals.in_flight = self._in_flight
        return totals

    def request(self, client_request_id: str) -> Request | None:
        """The last request of that `x-client-request-id` (or, without that header, of that call id)."""
        return self._requests.get(client_request_id)

    @property
    def last_seq(self) -> int:
        return self._seq

    def reset(self) -> None:
        """Forget what has ended. The file keeps it."""
        self._records.clear()
        self._requests.clear()
        self._request_bytes = 0
        self._totals = Totals()

    def close(self) -> None:
        if self._file:
            self._file.close()

    def _keep(self, record: Served) -> None:
        self._records.append(record)
        self._seq = record.seq
        totals = self._totals
        of_model = totals.by_model.setdefault(str(record.model), ModelTotals())
        for sums in (totals, of_model):
            sums.calls += 1
            sums.prompt_tokens += record.prompt_tokens
            sums.cached_tokens += record.cached_tokens
            sums.output_tokens += record.output_tokens
            sums.output_tokens_written += record.output_tokens_written
            sums.output_tokens_reported += record.output_tokens_reported or 0
        for counts, key in ((totals.by_finish, record.finished), (totals.by_status, str(record.status))):
            counts[key] = counts.get(key, 0) + 1

    def _keep_request(self, name: str, request: Request) -> None:
        replaced = self._requests.pop(name, None)
        self._requests[name] = request
        self._request_bytes += len(request.body) - (len(replaced.body) if replaced else 0)
        while len(self._requests) > self._keep_requests or self._request_bytes > _MAX_REQUEST_BYTES:
            oldest = self._requests.pop(next(iter(self._requests)))
            self._request_bytes -= len(oldest.body)

    def _resume(self, file: Path) -> None:
        """Go on where the file ends, so that ids stay unique and the truth whole over a restart."""
        if not file.exists():
            return
        whole = 0
        with file.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                try:
                    self._keep(Served(**orjson.loads(line)))
                except (ValueError, TypeError) as error:
                    raise LogUnreadableError(f"{file} is not a log of served calls: {error}") from error
                whole += len(line)
        # A process that was killed may have left half a line.
        os.truncate(file, whole)
