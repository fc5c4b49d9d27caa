"""What is said where a JSON Schema must be kept to: an example of it. Read as far as callers of models write them."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from simulator.corpus import say

__all__ = ["example"]

_PLAIN: Final[Mapping[object, Callable[[Random], object]]] = {
    None: lambda _: {},
    "array": lambda rng: say(2, rng),
    "boolean": lambda rng: rng.random() < 0.5,
    "integer": lambda rng: rng.randint(0, 999),
    "null": lambda _: None,
    "number": lambda rng: rng.randint(0, 9999) / 100,
    "object": lambda _: {},
    "string": lambda rng: "".join(say(3, rng)),
}


def example(schema: object, rng: Random) -> object:
    found: object
    match schema:
        case {"const": value} | {"enum": [value, *_]}:
            found = value
        case {"anyOf": [inner, *_]}:
            found = example(inner, rng)
        case {"type": [str(kind), *_]}:
            found = _PLAIN.get(kind, _PLAIN["string"])(rng)
        case {"properties": dict(properties)}:
            found = {name: example(inner, rng) for name, inner in properties.items()}
        case {"type": "array", "items": items}:
            found = [example(items, rng) for _ in range(2)]
        case Mapping():
            found = _PLAIN.get(schema.get("type"), _PLAIN["string"])(rng)
        case _:
            found = _PLAIN["string"](rng)
    return found
