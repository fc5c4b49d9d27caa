"""Which names of a module does other code really use? A table says what may happen, its use says what does."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["mentioned"]

_ROOT: Final = Path(__file__).parents[2]


def mentioned(folder: str, module: str) -> frozenset[str]:
    """Those imported from `module`, or taken from it by its last name, anywhere below `folder`."""
    own = _ROOT / f"{module.replace('.', '/')}.py"
    return frozenset(
        name
        for path in sorted((_ROOT / folder).rglob("*.py"))
        if path != own
        for name in _named_in(ast.parse(path.read_text(encoding="utf-8")), module)
    )


def _named_in(tree: ast.Module, module: str) -> Iterator[str]:
    alias = module.rpartition(".")[2]
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=found, names=names) if found == module:
                yield from (each.name for each in names)
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name == alias:
                yield attribute
