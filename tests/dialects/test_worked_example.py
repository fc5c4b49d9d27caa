"""The provider that `docs/new-provider.md` makes is built from that page, and held to what all families are held to."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "new-provider.md").read_text(encoding="utf-8")

BLOCK = re.compile(r"^```(?:python\n# |diff\n--- )(\S+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
FILES = dict(BLOCK.findall(PAGE))

CHANGED = ("services", "simulator", "tests")
SECONDS = 120


def changed(text: str, diff: str) -> str:
    """New lines stand behind those that the page shows above them."""
    for hunk in diff.split("@@\n"):
        lines = hunk.splitlines()
        before = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
        assert text.count(before) == 1, f"{before!r} is there no longer"
        text = text.replace(before, before + "".join(f"{line[1:]}\n" for line in lines if line.startswith("+")))
    return text


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The repository, with what the page adds to it."""
    for path in ROOT.iterdir():
        if path.name in CHANGED:
            shutil.copytree(path, tmp_path / path.name, ignore=shutil.ignore_patterns("__pycache__", "recordings"))
        elif path.is_dir() or path.name == "pyproject.toml":
            (tmp_path / path.name).symlink_to(path)
    for name, text in FILES.items():
        path = tmp_path / name
        path.write_text(changed(path.read_text(encoding="utf-8"), text) if path.exists() else text, encoding="utf-8")
    return tmp_path


def test_two_files_make_it_a_family() -> None:
    assert [name for name in FILES if name.startswith("services/")] == [
        "services/router_worker/providers/dialects/acme.py",
        "services/router_worker/providers/registry.py",
    ]


def test_it_does_what_the_tests_of_all_families_ask(tree: Path) -> None:
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/dialects/features", "-k", "acme"]
    run = subprocess.run(tests, cwd=tree, timeout=SECONDS, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-4_000:]
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed is not None
    assert int(passed[1]) > 30
