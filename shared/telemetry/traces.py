"""Which call did this come from? W3C trace context (w3.org/TR/trace-context), in HTTP and in Kafka record headers."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

__all__ = ["TRACEPARENT", "TRACESTATE", "TraceContext"]

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"

_FORMAT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STATE_LIMIT = 512


@dataclass(frozen=True, slots=True)
class TraceContext:
    trace_id: str
    span_id: str
    sampled: bool = True
    state: str = ""
    """Other vendors' notes; handed on unread."""

    @classmethod
    def new(cls) -> Self:
        return cls(os.urandom(16).hex(), os.urandom(8).hex())

    @classmethod
    def parse(cls, traceparent: str, tracestate: str = "") -> Self | None:
        """None when the header is not valid: then the standard asks to begin a new trace."""
        match = _FORMAT.fullmatch(traceparent.strip())
        if not match:
            return None
        version, trace_id, span_id, flags, rest = match.groups()
        all_zero = not trace_id.strip("0") or not span_id.strip("0")
        if version == "ff" or all_zero or (version == "00" and rest):
            return None
        state = tracestate.strip()
        return cls(trace_id, span_id, bool(int(flags, 16) & 1), state if len(state) <= _STATE_LIMIT else "")

    @classmethod
    def from_headers(cls, headers: Iterable[tuple[str, bytes]]) -> Self | None:
        """From a record's headers; names are compared without regard to case."""
        found = {name.lower(): value for name, value in headers if name.lower() in (TRACEPARENT, TRACESTATE)}
        if TRACEPARENT not in found:
            return None
        return cls.parse(
            found[TRACEPARENT].decode("ascii", "replace"), found.get(TRACESTATE, b"").decode("ascii", "replace")
        )

    def child(self) -> Self:
        """The next step of the same trace."""
        return replace(self, span_id=os.urandom(8).hex())

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"

    def headers(self) -> list[tuple[str, bytes]]:
        """As record headers."""
        context = [(TRACEPARENT, self.traceparent.encode())]
        return [*context, (TRACESTATE, self.state.encode())] if self.state else context
