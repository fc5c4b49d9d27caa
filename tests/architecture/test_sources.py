"""What every file keeps to: its size, its name, and no word of where it was written."""

import re

from docs.generators import pages_of
from tests.architecture.tree import ROOT, name_of, texts

LONGEST = 300

# Written before a test held the rule: to be taken apart by whoever works on them next.
LONGER = {
    "tests/integration/test_worker.py",
    "tests/suites/ingress.py",
    "tests/unit/cli/test_demo_checks.py",
    "tests/unit/ingress/test_chat_door.py",
    "tests/unit/ingress/test_jobs_door.py",
}
LONGEST_OF_THESE = 420

NAMES_OF_NOTHING = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}

# Spelled apart, because this file is read like all others.
REGISTRIES = "|".join(
    re.escape(f"{name}.{domain}")
    for name, domain in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("maven", "org"),
        ("repo.maven.apache", "org"),
        ("proxy.golang", "org"),
    )
)
OF_A_MACHINE = re.compile(rf"{REGISTRIES}|(?<![\w.}}])/(?:work|root|Users|home(?!/sluice\b))/\w")


def test_no_file_is_longer_than_one_can_hold_in_mind() -> None:
    too_long = {
        name: length
        for name, length in _lengths().items()
        if length > (LONGEST_OF_THESE if name in LONGER else LONGEST)
    }

    assert too_long == {}


def _lengths() -> dict[str, int]:
    made = set(pages_of(ROOT / "docs"))
    written = {
        path: text
        for path, text in texts().items()
        if path not in made and path.suffix not in (".lock", ".json", ".toml")
    }
    return {name_of(path): len(text.splitlines()) for path, text in written.items()}


def test_no_module_has_a_name_that_refuses_nothing() -> None:
    parts = {path: {*path.relative_to(ROOT).parts[:-1], path.stem} for path in texts() if path.suffix == ".py"}

    assert [name_of(path) for path, names in parts.items() if names & NAMES_OF_NOTHING] == []


def test_no_file_names_a_registry_or_a_place_of_one_machine() -> None:
    found = {name_of(path): OF_A_MACHINE.findall(text) for path, text in texts().items()}

    assert {name: places for name, places in found.items() if places} == {}
