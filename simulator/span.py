"""A number that is either fixed or drawn from a range: `3`, `[1, 3]` in YAML and JSON, `1..3` in a header."""

from random import Random
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

__all__ = ["Seconds", "Span", "Tokens", "fixed"]


_MOST_TOKENS = 1_000_000


class Span(NamedTuple):
    low: float
    high: float

    def draw(self, rng: Random) -> float:
        return self.low if self.low == self.high else rng.uniform(self.low, self.high)

    def draw_whole(self, rng: Random) -> int:
        return int(self.low) if self.low == self.high else rng.randint(int(self.low), int(self.high))


def fixed(value: float) -> Span:
    return Span(value, value)


def _parse(value: object) -> Span:
    match value:
        case Span():
            span = value
        case str():
            low, dots, high = value.partition("..")
            span = Span(float(low), float(high if dots else low))
        case int() | float():
            span = fixed(float(value))
        case [int() | float() as low, int() | float() as high]:
            span = Span(float(low), float(high))
        case _:
            raise ValueError("expected a number, or a range as [low, high] or 'low..high'")
    if not 0 <= span.low <= span.high < float("inf"):
        raise ValueError(f"expected 0 <= low <= high, got {span.low:g}..{span.high:g}")
    return span


def _parse_whole(value: object) -> Span:
    span = _parse(value)
    if span.low % 1 or span.high % 1 or span.high > _MOST_TOKENS:
        raise ValueError(f"expected whole numbers up to {_MOST_TOKENS}, got {span.low:g}..{span.high:g}")
    return span


_AS_LIST = PlainSerializer(lambda span: span.low if span.low == span.high else list(span))
_NUMBER: dict[str, object] = {"type": "number", "minimum": 0}
_SCHEMA = WithJsonSchema({"anyOf": [_NUMBER, {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2}]})

Seconds = Annotated[Span, BeforeValidator(_parse), _AS_LIST, _SCHEMA]
Tokens = Annotated[Span, BeforeValidator(_parse_whole), _AS_LIST, _SCHEMA]
