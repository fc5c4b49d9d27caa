"""Money is whole nanodollars: where it is made, there is neither a float nor a division that could lose some of it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKES_MONEY = [
    "shared/money.py",
    "shared/prices/cost.py",
    "shared/prices/own.py",
    "shared/prices/quotes.py",
    "shared/prices/genai.py",
]


def faults(source: str) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.BinOp(op=ast.Div() | ast.FloorDiv()):
                found.append(f"line {node.lineno} divides")
            case ast.Constant(value=float()):
                found.append(f"line {node.lineno} has a float")
            case ast.Name(id="float"):
                found.append(f"line {node.lineno} makes a float")
    return sorted(found)


@pytest.mark.parametrize("path", MAKES_MONEY)
def test_money_is_made_without_floats_and_divisions(path: str) -> None:
    assert faults((ROOT / path).read_text()) == []


def test_a_division_would_be_found() -> None:
    assert faults("cost = tokens // 1000 * price\nother = tokens / 1e6") == [
        "line 1 divides",
        "line 2 divides",
        "line 2 has a float",
    ]
