"""Money is whole nanodollars: where it is made, there is neither a float nor a division that could lose some of it."""

import ast
import re
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


PRICES = [*sorted((ROOT / "shared/prices").glob("*.py")), *sorted((ROOT / "services/accounting/charging").glob("*.py"))]
"""What a model costs is in the book and in the file of the operator, and in no line of these."""
OF_A_MODEL = re.compile(r"(?i)\b(gpt|claude|gemini|llama|mistral|deepseek|command)-?\w*\d|^\d*\.\d+$")


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


@pytest.mark.parametrize("path", PRICES, ids=lambda path: path.name)
def test_no_price_and_no_model_is_written_into_the_code(path: Path) -> None:
    assert priced(path.read_text()) == []


def test_a_price_in_the_code_would_be_found() -> None:
    assert priced('PRICES = {"gpt-4o": Decimal("2.5"), "claude-3-haiku": 1}') == ["gpt-4o", "claude-3-haiku", "2.5"]


def priced(source: str) -> list[str]:
    """Names of models and amounts that stand in it as texts."""
    texts = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
    return [text for text in texts if isinstance(text, str) and "\n" not in text and OF_A_MODEL.search(text)]
