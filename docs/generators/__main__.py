"""`python -m docs.generators`: writes the reference pages anew, and says which of them changed."""

import sys
from pathlib import Path

from docs.generators.pages import made


def main() -> None:
    for path, text in made(Path(__file__).parents[1]).items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"docs/{path.name}\n")


if __name__ == "__main__":
    main()
