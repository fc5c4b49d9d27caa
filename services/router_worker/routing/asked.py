"""What of a job decides who may serve it? Pure: a job in, what rules and limits go by out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from shared.config.rules import Use
from shared.contracts import Endpoint, Job, JsonObject

__all__ = ["Asked", "asked_of"]

_PARTS: Final[Mapping[object, Use]] = {
    "image_url": Use.IMAGES,
    "input_audio": Use.AUDIO,
    "file": Use.FILES,
}


@dataclass(frozen=True, slots=True)
class Asked:
    model: str
    tenant: str = ""
    team: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    uses: frozenset[Use] = frozenset()
    input_tokens: int = 0
    output_tokens: int = 0
    """As many as it asks for at most; 0 when it leaves that to the model."""
    endpoint: Endpoint = Endpoint.CHAT


def asked_of(job: Job) -> Asked:
    longest = job.body.get("max_completion_tokens") or job.body.get("max_tokens")
    return Asked(
        model=job.model,
        tenant=job.tenant,
        team=job.team,
        metadata=job.tags,
        labels=job.labels or {},
        uses=frozenset(_uses(job.body)),
        input_tokens=job.input_tokens,
        output_tokens=longest if isinstance(longest, int) else 0,
        endpoint=job.endpoint,
    )


def _uses(body: JsonObject) -> Iterator[Use]:
    if body.get("tools") or body.get("functions"):
        yield Use.TOOLS
    if body.get("stream"):
        yield Use.STREAM
    match body.get("response_format"):
        case {"type": "json_schema"}:
            yield Use.JSON_SCHEMA
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else []:
        match message:
            case {"content": list(parts)}:
                kinds = (part.get("type") for part in parts if isinstance(part, dict))
                yield from (_PARTS[kind] for kind in kinds if isinstance(kind, str) and kind in _PARTS)
