"""What is in the repository? The files that git tracks, and those among them that are read line by line."""

import subprocess
from functools import cache
from pathlib import Path
from typing import Final

__all__ = ["ROOT", "name_of", "texts", "tracked"]

ROOT: Final = Path(__file__).parents[2]


@cache
def tracked() -> tuple[Path, ...]:
    """Those of the index that are there: a file just added is held to the rules, a draft is not yet."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached"],  # noqa: S607 - whichever git checked this out
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


def texts() -> dict[Path, str]:
    """What people wrote and read; not the encodings of the tokenizer, which are data."""
    return {
        path: path.read_text(encoding="utf-8")
        for path in tracked()
        if path.suffix not in (".tiktoken", ".sse", ".eventstream", ".bin", ".png") and path != ROOT / "LICENSE"
    }


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
