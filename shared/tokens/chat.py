"""What of a request is counted? The text of its messages and tools, and what the format itself costs. Pure.

OpenAI's documented formula ("How to count tokens with tiktoken", cookbook.openai.com): every message costs 3 and the
tokens of its values, a `name` costs 1 more, and the answer is primed with 3. Beyond the documents:

- Tools, functions and a JSON schema are counted as their compact JSON. Providers rewrite them, so this is an estimate.
- An image costs 85 tokens with `detail: low`, else 765: the tile rule for a square image (four tiles of 170 and 85),
  without looking at its size.
- Of a request for embeddings the texts alone are counted, or their tokens where it holds these.
- Audio and files are counted as nothing: their base64 is not what the model reads. The provider's figure is charged.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

__all__ = ["HIGH_DETAIL", "ChatTokens", "Countable", "countable"]

_PER_MESSAGE: Final = 3
_PER_NAME: Final = 1
_PRIMING: Final = 3
_LOW_DETAIL: Final = 85
HIGH_DETAIL: Final = 765

_AS_JSON: Final = ("tools", "functions")
_UNREADABLE: Final = ("input_audio", "file", "audio")


@dataclass(frozen=True, slots=True)
class ChatTokens:
    input: int
    most: int
    """What it may be by the model's own tokenizer, where `input` is counted by another."""
    images: int = 0
    """How many images are in it; their part of `input` is a guess."""
    is_cut: bool = False
    """So much was enough to know: there may be more of it."""


@dataclass(frozen=True, slots=True)
class Countable:
    """A request reduced to what costs tokens: texts to be counted, and a fixed amount."""

    texts: tuple[str, ...]
    fixed: int
    images: int

    @property
    def characters(self) -> int:
        return sum(map(len, self.texts))


def countable(body: Mapping[str, JsonValue]) -> Countable:
    """Never fails: what does not look like a chat request is counted as far as it does."""
    messages = body.get("messages")
    if messages is None and "input" in body:
        return _of_input(body["input"])
    pieces = [_PRIMING, *_of_messages(messages if isinstance(messages, list) else [])]
    pieces += [_json(body[field]) for field in _AS_JSON if body.get(field)]
    answer_format = body.get("response_format")
    if isinstance(answer_format, dict) and "json_schema" in answer_format:
        pieces.append(_json(answer_format["json_schema"]))
    return Countable(
        texts=tuple(piece for piece in pieces if isinstance(piece, str)),
        fixed=sum(piece for piece in pieces if isinstance(piece, int)),
        images=sum(isinstance(piece, _Image) for piece in pieces),
    )


def _of_input(given: JsonValue) -> Countable:
    """Of a request for embeddings: texts, or tokens that somebody has counted already; each may stand alone."""
    inputs = given if isinstance(given, list) else [given]
    texts = tuple(each for each in inputs if isinstance(each, str))
    tokens = sum(len(each) if isinstance(each, list) else isinstance(each, int) for each in inputs)
    return Countable(texts, tokens, 0)


class _Image(int):
    """What an image costs; a type of its own, so that images can be told from the rest."""


def _of_messages(messages: list[JsonValue]) -> Iterator[str | int]:
    for message in messages:
        yield _PER_MESSAGE
        if not isinstance(message, dict):
            continue
        for field, value in message.items():
            if field == "name":
                yield _PER_NAME
            yield from _of_value(value)


def _of_value(value: JsonValue) -> Iterator[str | int]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict):
                yield from _of_part(item)
            elif item is not None:
                yield item if isinstance(item, str) else _json(item)
    elif isinstance(value, dict):
        yield _json(value)


def _of_part(part: dict[str, JsonValue]) -> Iterator[str | int]:
    """A part of a message's content, or a tool call."""
    kind = part.get("type")
    if kind in ("text", "refusal"):
        yield from _of_value(part.get(str(kind)))
    elif kind == "image_url":
        image = part.get("image_url")
        low = isinstance(image, dict) and image.get("detail") == "low"
        yield _Image(_LOW_DETAIL if low else HIGH_DETAIL)
    elif kind not in _UNREADABLE:
        yield _json(part)


def _json(value: JsonValue) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:  # nested a thousand deep: the provider refuses it, and what it would cost does not matter
        return ""
