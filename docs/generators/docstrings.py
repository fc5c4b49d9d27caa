"""What does the code say about its own fields? The string below a field or a member, which Python itself forgets."""

import ast
import inspect
import textwrap
from itertools import pairwise

from docs.generators.markdown import sentence

__all__ = ["field_docs"]


def field_docs(kind: type) -> dict[str, str]:
    """By name, those of its base classes included; on one line each."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if each.__module__.partition(".")[0] in ("services", "shared"):
            found |= _own(each)
    return found


def _own(kind: type) -> dict[str, str]:
    (statement,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(statement, ast.ClassDef)  # noqa: S101 - for the type checker: `kind` is a class
    return {
        name: sentence(str(following.value.value))
        for field, following in pairwise(statement.body)
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
        if (name := _name(field)) is not None
    }


def _name(statement: ast.stmt) -> str | None:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
            return name
        case _:
            return None
