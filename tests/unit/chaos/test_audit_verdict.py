"""Sluice's own audit is a witness as well."""

import pytest

from chaos.books import Audited
from chaos.verdicts.audit import audit_finds_nothing
from tests.suites.chaos import good_run, tampered


def test_an_audit_that_finds_nothing_is_good() -> None:
    assert audit_finds_nothing(good_run()).holds


@pytest.mark.parametrize(
    ("audit", "words"),
    [
        (Audited(differences=("ledger and sums, day 1: 7 and 8",)), "7 and 8"),
        (Audited(waiting=2), "2 usage events were not recorded"),
    ],
)
def test_whatever_it_finds_is_held_against_the_run(audit: Audited, words: str) -> None:
    (finding,) = audit_finds_nothing(tampered(audit=audit)).findings
    assert words in str(finding)
