"""Which pages are made, and from what? A new one is a file in this folder and one line here."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from docs.generators import configuration, dictionary, environment, failures, measurements, problems, providers, wire
from docs.generators.markdown import filled

__all__ = ["PAGES", "PLACES", "made", "pages_of"]

Content = Callable[[], str]

PAGES: Final[Mapping[str, Content]] = MappingProxyType(
    {
        "configuration.md": configuration.page,
        "metrics.md": measurements.page,
        "providers.md": providers.page,
        "topics.md": wire.page,
    }
)
"""Whole pages, by their names in `docs/`."""

PLACES: Final[Mapping[tuple[str, str], Content]] = MappingProxyType(
    {
        ("api.md", "problems"): problems.section,
        ("architecture.md", "failures"): failures.section,
        ("data-dictionary.md", "tables"): dictionary.section,
        ("operations.md", "environment"): environment.section,
    }
)
"""Places in handwritten pages: page and name of the place."""


def pages_of(docs: Path) -> tuple[Path, ...]:
    """The files that `made` gives."""
    return tuple(docs / name for name in sorted({*PAGES, *(page for page, _ in PLACES)}))


def made(docs: Path) -> dict[Path, str]:
    """Every page as it has to be. Reads the handwritten ones, writes nothing."""
    texts = {docs / name: content() for name, content in PAGES.items()}
    for (page, place), content in PLACES.items():
        path = docs / page
        texts[path] = filled(texts.get(path) or path.read_text(encoding="utf-8"), place, content())
    return texts
