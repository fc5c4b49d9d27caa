"""What does the file say? Its lines, each with its number; one that cannot be a request is told and left out."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

__all__ = ["BadLine", "Line", "read_lines"]


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    """In the file, from 1; blank lines count."""
    raw: bytes
    """What is sent: the line itself, or the line with another model."""
    fingerprint: str
    """Of what is sent, and of which of several equal lines it is: the same in every reading of the file."""
    custom_id: str | None
    index: int
    """Among the lines that can be requests, from 0."""


@dataclass(frozen=True, slots=True)
class BadLine:
    number: int
    custom_id: str | None
    why: str


def read_lines(source: Iterable[bytes], model: str | None) -> Iterator[Line | BadLine]:
    """`model` takes the place of the one each request names."""
    seen: Counter[bytes] = Counter()
    index = 0
    for number, raw in enumerate(source, start=1):
        text = raw.strip()
        if not text:
            continue
        line = _line(number, text, model)
        if isinstance(line, BadLine):
            yield line
            continue
        sent, custom_id = line
        seen[sent] += 1
        digest = hashlib.sha256(sent + b"\n%d" % seen[sent]).hexdigest()
        yield Line(number, sent, digest, custom_id, index)
        index += 1


def _line(number: int, text: bytes, model: str | None) -> tuple[bytes, str | None] | BadLine:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        return BadLine(number, None, f"not JSON: {error.msg} at column {error.colno}")
    except ValueError as error:
        return BadLine(number, None, f"not JSON: {error}")
    if not isinstance(found, dict):
        return BadLine(number, None, "not a JSON object")
    custom_id = found.get("custom_id")
    named = custom_id if isinstance(custom_id, str) else None
    is_batch_line = "messages" not in found and ("body" in found or "custom_id" in found)
    body = found.get("body") if is_batch_line else found
    if not isinstance(body, dict):
        return BadLine(number, named, "a batch line without a body")
    if model is None:
        return text, named
    body["model"] = model
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode(), named
