"""The reference of `sluice.yaml`, from its JSON Schema: sections in the order in which the file mentions them."""

from collections.abc import Callable, Iterator
from typing import Final, cast

from docs.generators.markdown import NOTICE, code, codes, sentence, table
from docs.generators.schemas import kind, references
from shared.config import json_schema
from shared.contracts import JsonObject

__all__ = ["page"]

_TOP: Final = "Config"

_PREFACE: Final = """\
# Configuration

One file, `sluice.yaml`, read by all three services when they start; `SLUICE_CONFIG` names another one.
[`sluice.example.yaml`](../sluice.example.yaml) is a commented example. `sluice config validate` checks a file and names
every problem with its path and line, `sluice config show` prints what Sluice would run with. `sluice config generate`
writes a first one from the provider keys in the environment, `sluice config import litellm` one from a LiteLLM proxy's.

- `${NAME}` in a value is taken from the environment, `${NAME:-default}` where it may be absent; `$${` is a plain `${`.
- A key that is not in these tables is an error ([test](../tests/unit/shared/config/test_config_loading.py)).
- A change takes effect under running processes, within seconds, or at once by SIGHUP:
  [how](operations.md#change-the-configuration).

What a process takes from its environment instead is in [operations.md](operations.md#environment)."""


def page() -> str:
    schema = json_schema()
    sections = {_TOP: schema, **cast("dict[str, JsonObject]", schema["$defs"])}
    parts = [NOTICE, _PREFACE, *_parts(sections)]
    return "\n\n".join(parts) + "\n"


def _parts(sections: dict[str, JsonObject]) -> Iterator[str]:
    """The whole file first, then each section behind the one that first refers to it."""
    waiting, seen, named = [_TOP], {_TOP}, _named(sections)
    while waiting:
        name = waiting.pop(0)
        section = sections[name]
        fields = cast("dict[str, JsonObject]", section.get("properties", {}))
        if not fields:
            continue  # an enumeration; its values stand where it is used
        yield f"## {'The file' if name == _TOP else name}"
        if name != _TOP and (text := section.get("description")):
            yield sentence(str(text))
        required = cast("list[str]", section.get("required", []))
        rows = [
            (code(field), kind(of, named), _default(field, of, required), _meaning(of, sections))
            for field, of in fields.items()
        ]
        yield table(("key", "value", "default", "meaning"), rows)
        fresh = [each for each in dict.fromkeys(references(list(fields.values()))) if each not in seen]
        seen.update(fresh)
        waiting = [*fresh, *waiting]


def _meaning(of: JsonObject, sections: dict[str, JsonObject]) -> str:
    """Its own, else that of the section it holds."""
    described = [of, *(sections[reference] for reference in references(of))]
    found = next((each["description"] for each in described if "description" in each), "")
    return sentence(str(found))


def _named(sections: dict[str, JsonObject]) -> Callable[[str], str]:
    def named(name: str) -> str:
        return kind(sections[name], str) if "enum" in sections[name] else f"[{name}](#{name.lower()})"

    return named


def _default(field: str, of: JsonObject, required: list[str]) -> str:
    if field in required:
        return "required"
    default = of.get("default")
    if default is None or default in ({}, []):
        return ""
    if isinstance(default, dict):
        return "as below"
    if isinstance(default, list):
        return codes(map(str, default))
    return code(str(default).lower() if isinstance(default, bool) else str(default))
