"""What a document refers to exists: files, headings, tests, names in the code, settings, metrics, keys."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from cli.variables import VARIABLES
from docs.generators.docstrings import field_docs
from docs.generators.environment import SETTINGS, variables_of
from shared.config.schema import Config
from shared.telemetry.metrics import METRICS, Spread
from shared.topics import TOPICS
from tests.architecture.documents import anchors, documents, mentions, prose
from tests.architecture.tree import ROOT, name_of, tracked

PARTS = ("bucket", "sum", "count")

every_document = pytest.mark.parametrize("document", documents(), ids=name_of)

LINK = re.compile(r"\]\(([^)\s]+)\)")
NAME_IN_FILE = re.compile(r"`(\w+)`(?: and `(\w+)`)? in \[`[^`]+`\]\(([^)#]+)\)")
TEST = re.compile(r"^\s*(?:async )?def (test_\w+)", re.MULTILINE)

ENVIRONMENT = frozenset(VARIABLES).union(*map(variables_of, SETTINGS.values()))
NEVER_OURS = {"SLUICE_"}  # told as a prefix


def told_in(document: Path) -> str:
    return document.read_text(encoding="utf-8")


@every_document
def test_links_lead_somewhere(document: Path) -> None:
    assert list(_dead(document)) == []


def _dead(document: Path) -> Iterator[str]:
    for link in LINK.findall(prose(told_in(document))):
        if re.match(r"https?://|mailto:", link):
            continue
        name, _, fragment = link.partition("#")
        target = document.parent / name if name else document
        is_dead = not target.exists() or ROOT not in target.resolve().parents
        if is_dead or (fragment and fragment not in anchors(told_in(target))):
            yield link


def test_every_document_is_led_to_by_another() -> None:
    led_to = {
        (document.parent / link.partition("#")[0]).resolve()
        for document in documents()
        for link in LINK.findall(prose(told_in(document)))
    }
    entrances = {ROOT / "README.md", ROOT / "CHANGELOG.md"}

    assert [name_of(path) for path in set(documents()) - led_to - entrances] == []


@every_document
def test_code_beside_a_link_to_a_file_is_in_that_file(document: Path) -> None:
    """`DIALECTS` in [`registry.py`](…/registry.py)."""
    missing = [
        f"{name} in {target}"
        for *names, target in NAME_IN_FILE.findall(told_in(document))
        for name in filter(None, names)
        if not re.search(rf"\b{name}\b", (document.parent / target).read_text(encoding="utf-8"))
    ]

    assert missing == []


@every_document
def test_paths_that_are_mentioned_exist(document: Path) -> None:
    first = {path.relative_to(ROOT).parts[0] for path in tracked() if path.parent != ROOT}
    mentioned = [each for each in mentions(told_in(document)) if re.fullmatch(r"[\w.-]+(/[\w.-]*)+", each)]
    of_ours = [each for each in mentioned if each.partition("/")[0] in first]

    assert [each for each in of_ours if not (ROOT / each).exists()] == []


@every_document
def test_tests_that_are_named_exist(document: Path) -> None:
    mentioned = {each for each in mentions(told_in(document)) if re.fullmatch(r"test_\w+", each)}

    assert mentioned - _tests() == set()


def _tests() -> set[str]:
    files = [path for path in tracked() if path.name.startswith("test_") and path.suffix == ".py"]
    return {name for path in files for name in TEST.findall(path.read_text(encoding="utf-8"))}


@every_document
def test_environment_variables_that_are_named_are_read_by_somebody(document: Path) -> None:
    named = set(re.findall(r"\b(?:(?:SLUICE|KAFKA)_\w*|[A-Z]+_URL)\b", told_in(document)))

    assert named - ENVIRONMENT - NEVER_OURS == set()


@pytest.mark.parametrize("service", SETTINGS)
def test_every_environment_variable_says_what_it_means(service: str) -> None:
    meanings = field_docs(SETTINGS[service])

    assert [name for name in SETTINGS[service].model_fields if not meanings.get(name)] == []


DATABASE_ROLES = {"sluice_reader"}


@every_document
def test_metrics_that_are_named_are_measured(document: Path) -> None:
    known = {metric.name for metric in METRICS}
    known |= {f"{metric.name}_{part}" for metric in METRICS if isinstance(metric, Spread) for part in PARTS}

    assert set(re.findall(r"\bsluice_[a-z_]+\b", told_in(document))) - known - DATABASE_ROLES == set()


@every_document
def test_topics_that_are_named_exist(document: Path) -> None:
    named = set(re.findall(r"\bsluice\.[a-z.-]+\.v\d+\b", told_in(document)))

    assert named - {topic.name for topic in TOPICS} == set()


@every_document
def test_keys_of_the_configuration_that_are_named_exist(document: Path) -> None:
    named = [each.split(".") for each in mentions(told_in(document)) if re.fullmatch(r"[a-z_]+\.[a-z_]+", each)]
    sections = {name: field.annotation for name, field in Config.model_fields.items()}

    unknown = [
        f"{section}.{key}"
        for section, key in named
        if isinstance(kind := sections.get(section), type) and issubclass(kind, BaseModel)
        if key not in kind.model_fields
    ]

    assert unknown == []
