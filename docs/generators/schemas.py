"""What kind of value is it? A JSON Schema in the words of a table's cell."""

from collections.abc import Callable, Iterator
from typing import Final

from pydantic import JsonValue

from docs.generators.markdown import code, codes

__all__ = ["kind", "references"]

Named = Callable[[str], str]
"""How a reference to another schema is told."""

_WORDS: Final = {"string": "text", "boolean": "true or false", "object": "JSON object"}
_FORMATS: Final = {"uri": "URL", "password": "secret text", "date": "date", "date-time": "time (RFC 3339)"}
_BOUNDS: Final = {"exclusiveMinimum": ">", "minimum": "≥", "maximum": "≤"}


def kind(of: JsonValue, named: Named) -> str:
    match of:
        case {"$ref": str(reference)}:
            return named(_last(reference))
        case {"const": value}:
            return code(str(value))
        case {"enum": [*values]}:
            return codes(map(str, values))
        case {"anyOf": [*options]}:
            return " or ".join(dict.fromkeys(kind(each, named) for each in options if each != {"type": "null"}))
        case {"type": "array" | "object"}:
            return _collection(of, named)
        case _:
            return _plain(of)


def references(value: JsonValue) -> Iterator[str]:
    """The names of the schemas that this one refers to, at any depth."""
    match value:
        case {"$ref": str(reference)}:
            yield _last(reference)
        case dict():
            for inner in value.values():
                yield from references(inner)
        case list():
            for inner in value:
                yield from references(inner)


def _last(reference: str) -> str:
    return reference.rpartition("/")[2]


def _collection(of: JsonValue, named: Named) -> str:
    match of:
        case {"items": items}:
            return f"list of {kind(items, named)}"
        case {"patternProperties": dict(values)}:
            return " or ".join(f"by name: {kind(value, named)}" for value in values.values())
        case {"additionalProperties": {"$ref": str(reference)}} if not reference.endswith("JsonValue"):
            return f"by name: {named(_last(reference))}"
        case {"additionalProperties": {"type": _} as value}:
            return f"by name: {kind(value, named)}"
        case {"type": "array"}:
            return "list"
        case _:
            return _WORDS["object"]


def _plain(of: JsonValue) -> str:
    match of:
        case {"format": str(form)} if form in _FORMATS:
            return _FORMATS[form]
        case {"type": str(name), **rest}:
            bounds = [f"{sign} {rest[key]}" for key, sign in _BOUNDS.items() if key in rest]
            return " ".join([_WORDS.get(name, name), *bounds])
        case _:
            return "any JSON"
