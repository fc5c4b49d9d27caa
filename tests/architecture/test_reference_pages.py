"""The reference pages say what the code says."""

from pathlib import Path

import pytest

from docs.generators import made, pages_of
from docs.generators.pages import PAGES, PLACES
from tests.architecture.tree import ROOT

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def as_the_code_makes_them() -> dict[Path, str]:
    return made(DOCS)


@pytest.mark.parametrize("page", pages_of(DOCS), ids=lambda page: page.name)
def test_a_page_is_as_the_code_makes_it(page: Path, as_the_code_makes_them: dict[Path, str]) -> None:
    assert page.read_text(encoding="utf-8") == as_the_code_makes_them[page], "`make docs` writes it anew"


def test_every_generator_is_in_the_table() -> None:
    used = {content.__module__.rpartition(".")[2] for content in (*PAGES.values(), *PLACES.values())}
    generators = (DOCS / "generators").glob("*.py")

    assert used == {
        path.stem for path in generators if "\ndef page()" in (text := path.read_text()) or "\ndef section()" in text
    }
