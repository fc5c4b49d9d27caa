"""Recorded answers of providers, and how they are played; a new dialect adds a folder of recordings."""

from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import orjson

from services.router_worker.events import Answered, AttemptEvent, Chunk, Failed, Finished, UsageReported
from services.router_worker.providers.dialect import Decoder, Envelope
from services.router_worker.providers.registry import DIALECTS
from shared.config.quirks import QUIRKS, Quirks

__all__ = ["ENVELOPE", "RECORDINGS", "a_decoder", "as_json", "golden_of", "played"]

RECORDINGS = sorted(
    path for kind in ("sse", "eventstream") for path in (Path(__file__).parent / "recordings").glob(f"*/*.{kind}")
)
"""`recordings/<dialect>/<case>.sse` (or `.eventstream`, where that is binary), beside it `<case>.json`: the events."""

ENVELOPE = Envelope("chatcmpl-ours", 1_700_000_000, "our-model", streamed=True, include_usage=False)


def a_decoder(recording: Path, envelope: Envelope = ENVELOPE) -> Decoder:
    dialect = recording.parent.name
    return DIALECTS[dialect].decoder(replace(envelope, quirks=QUIRKS.get(dialect, Quirks())))


def golden_of(recording: Path) -> Any:
    return orjson.loads(recording.with_suffix(".json").read_bytes())


def played(decoder: Decoder, packets: Iterable[bytes]) -> list[AttemptEvent]:
    events = [event for packet in packets for event in decoder.feed(packet)]
    return [*events, *decoder.close()]


def as_json(events: Iterable[AttemptEvent]) -> list[dict[str, Any]]:
    """The events as a person reads them."""
    return [_as_json(event) for event in events]


def _as_json(event: AttemptEvent) -> dict[str, Any]:
    match event:
        case Chunk():
            marks = [name for name in ("is_output", "plain") if getattr(event, name)]
            return {"chunk": orjson.loads(event.data), "text": event.text, "choice": event.choice, "marks": marks}
        case UsageReported(usage, cost):
            return {"usage": usage.model_dump(), "cost_nanodollars": cost, "reported": event.reported}
        case Answered(response):
            return {"answer": response}
        case Finished():
            return {"finished": asdict(event)}
        case Failed(failure):
            said = {name: value for name, value in asdict(failure).items() if value is not None}
            if failure.retry_after is not None:
                said["retry_after"] = failure.retry_after.total_seconds()
            return {"failed": said}
