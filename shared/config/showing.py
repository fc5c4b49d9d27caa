"""How is a configuration shown? With its defaults filled in, without its secrets; and its schema as JSON Schema."""

import ast
import inspect
from collections.abc import Iterator
from itertools import pairwise
from typing import cast
from urllib.parse import urlsplit

import yaml
from pydantic import JsonValue

from shared.config import patience, pricing, providers, quirks, schema, tenants
from shared.config.schema import Config
from shared.contracts import JsonObject

__all__ = ["json_schema", "shown"]


def shown(config: Config) -> str:
    """YAML that Sluice would run with: every default written out, every secret masked."""
    data = _masked(config.model_dump(mode="json", exclude_none=True))
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)


def json_schema() -> JsonObject:
    """JSON Schema of `sluice.yaml`, for editors; the descriptions are the docstrings of `schema.py`."""
    described = cast("JsonObject", Config.model_json_schema())
    for name, section in [("Config", described), *cast("dict[str, JsonObject]", described["$defs"]).items()]:
        fields = cast("dict[str, JsonObject]", section.get("properties", {}))
        for field, text in _docstrings().get(name, {}).items():
            fields[field]["description"] = text
    described["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    described["title"] = "sluice.yaml"
    return described


def _masked(value: JsonValue) -> JsonValue:
    """Secrets have masked themselves already; a password inside a URL has not."""
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item) for item in value]
    if isinstance(value, str) and "://" in value and (password := urlsplit(value).password):
        return value.replace(f":{password}@", ":**********@")
    return value


def _docstrings() -> dict[str, dict[str, str]]:
    """Class, field, and the string below the field. Read from the source on demand, since importing must stay quick."""
    return {
        statement.name: dict(_documented(statement.body))
        for module in (schema, tenants, providers, quirks, pricing, patience)
        for statement in ast.parse(inspect.getsource(module)).body
        if isinstance(statement, ast.ClassDef)
    }


def _documented(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, following in pairwise(body):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            yield field.target.id, inspect.cleandoc(str(following.value.value))
