"""What was really served: one record per call, kept in memory and, on request, in a JSONL file. This is the truth that a
ledger is compared with, so a record is written when a call ends, however it ends, and flushed at once."""

import os
from collections import deque
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO, Literal

import orjson

from simulator.exchange import Request

__all__ = ["Call", "How", "Served", "ServedLog", "Totals"]

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
    """The fault that struck, named by its key in the script."""
    prompt_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    output_tokens_written: int
    """Tokens of the visible answer whose last byte was handed to the socket."""
    output_tokens_reported: int | None
    """What the usage said, if one was sent; reasoning tokens are part of it."""
    body_sha256: str


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
class Totals:
    """Sums over all calls that have ended, and how many have not."""

    calls: int = 0
    in_flight: int = 0
    prompt_tokens: int = 0
    """Of the calls that got as far as an answer."""
    output_tokens_written: int = 0
    output_tokens_reported: int = 0
    by_finish: dict[str, int] = field(default_factory=dict)
    by_status: dict[str, int] = field(default_factory=dict)
    by_model: dict[str, int] = field(default_factory=dict)


class ServedLog:
    """Keeps the last `keep` records and the last `keep_requests` requests in memory; totals and the file are complete."""

    def __init__(self, *, keep: int, keep_requests: int, file: Path | None = None) -> None:
        self._records: deque[Served] = deque(maxlen=keep)
        self._requests: dict[str, Request] = {}
        self._keep_requests = keep_requests
        self._totals = Totals()
        self._in_flight = 0
        self._seq = 0
        self._file: IO[bytes] | None = None
        if file is not None:
            self._resume(file)
            self._file = file.open("ab")

    def begin(self, call_id: str, request: Request, now: float) -> Call:
        self._in_flight += 1
        named = request.header(b"x-client-request-id") or call_id
        self._requests.pop(named, None)
        self._requests[named] = request
        if len(self._requests) > self._keep_requests:
            del self._requests[next(iter(self._requests))]
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
        return Totals(**{**asdict(self._totals), "in_flight": self._in_flight})

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
        self._totals = Totals()

    def close(self) -> None:
        if self._file:
            self._file.close()

    def _keep(self, record: Served) -> None:
        self._records.append(record)
        self._seq = record.seq
        totals = self._totals
        totals.calls += 1
        totals.prompt_tokens += record.prompt_tokens
        totals.output_tokens_written += record.output_tokens_written
        totals.output_tokens_reported += record.output_tokens_reported or 0
        for counts, key in (
            (totals.by_finish, record.finished),
            (totals.by_status, str(record.status)),
            (totals.by_model, str(record.model)),
        ):
            counts[key] = counts.get(key, 0) + 1

    def _resume(self, file: Path) -> None:
        """Go on where the file ends, so that ids stay unique and the truth whole over a restart."""
        if not file.exists():
            return
        whole = 0
        with file.open("rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    self._keep(Served(**orjson.loads(line)))
                    whole += len(line)
        # A process that was killed may have left half a line.
        os.truncate(file, whole)
