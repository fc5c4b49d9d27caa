"""A service does not load what it never uses."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SERVICES = Path(__file__).parents[3] / "services"
USED = "structlog, httpx, genai_prices.data_snapshot, sqlalchemy.ext.asyncio"
LEFT_OUT = ("rich.", "pygments.", "sqlalchemy.orm", "httpx2")
LOADED = f"import shared.unadorned, {USED}, sys; print([m for m in sys.modules if m.startswith({LEFT_OUT})])"


def test_libraries_come_without_what_no_service_uses() -> None:
    found = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


@pytest.mark.parametrize("service", ["accounting", "ingress", "router_worker"])
def test_a_service_leaves_it_out_before_anything_can_load_it(service: str) -> None:
    tree = ast.parse((SERVICES / service / "__main__.py").read_text())
    imported = [
        name
        for node in tree.body
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    ]
    assert (
        next(name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names) == "shared.unadorned"
    )
